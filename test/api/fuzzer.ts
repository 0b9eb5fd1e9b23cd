import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { allRoutes } from "../../src/model/openapi.ts";
import type { ApiGround } from "./ground.ts";

const LIST = resolve(import.meta.dirname, "../../scripts/fuzzer-packages.txt");
/** Where scripts/setup.sh --for-tests puts it: outside the checkout, so that the next one has it already. */
const PACKAGES = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "holdfast-tests", `fuzzer-${createHash("sha256").update(readFileSync(LIST)).digest("hex").slice(0, 12)}`, "packages");

/** Why there is no fuzzer here; undefined when there is. */
export const noFuzzer: string | undefined = existsSync(PACKAGES) && spawnSync("python3", ["--version"]).status === 0 ? undefined : "schemathesis could not be fetched";

/** A well-formed request may be refused for what it means: a configuration with faults, a time that no log reaches, a session that is over, a cursor that no list gave. */
const PAGED = allRoutes.filter(({ output }) => "next" in ((output as unknown as { shape?: object }).shape ?? {})).map(({ name }) => name);
const REFUSED_FOR_MEANING = ["agent.claim", "restores.plan", "restores.run", "system.apply", ...PAGED];
/** Has no end. */
const ENDLESS = allRoutes.filter(({ answers }) => answers === "event-stream").map(({ name }) => name);
/** How many are asked. */
export const FUZZED = allRoutes.length - ENDLESS.length;
/** Would take away the tokens that everything else is asked with: tried at the end. */
const LAST = ["agents.revoke", "tokens.revoke"];
const FEW = ["--max-examples", "5", "--phases", "coverage,fuzzing"];

export interface FuzzResult {
  readonly requests: number;
  readonly operations: number;
  /** Answers that break a promise, and what the fuzzer could not do. */
  readonly failures: number;
  /** What the fuzzer says at its end, the failures with the requests that show them. */
  readonly text: string;
}

export interface FuzzOptions {
  readonly seed: number;
  /** Words that say how much. */
  readonly amount: readonly string[];
}

/** Lets schemathesis ask everything that the server's own description promises. `dir` is for its files. */
export async function fuzz(ground: ApiGround, dir: string, options: FuzzOptions): Promise<FuzzResult> {
  await writeFile(join(dir, "schemathesis.toml"), settings(ground));
  const most = await runFuzzer(ground, dir, options, [...LAST, ...ENDLESS].flatMap((name) => ["--exclude-operation-id", name]));
  const last = await runFuzzer(ground, dir, { ...options, amount: FEW }, LAST.flatMap((name) => ["--include-operation-id", name]));
  return {
    requests: most.requests + last.requests,
    operations: most.operations + last.operations,
    failures: most.failures + last.failures,
    text: `${most.text}\n${last.text}`,
  };
}

/** The agent's routes are asked for by an agent, all others by an administrator. */
function settings({ tokens, agentToken }: ApiGround): string {
  const ofAgents = allRoutes.filter(({ role }) => role === "agent").map(({ name }) => name);
  return `headers = { Authorization = "Bearer ${tokens.admin}" }

[dictionaries]
instances = { values = ["shop"] }
repositories = { values = ["main"] }
agents = { values = ["db1"] }

[parameters]
instance = { dictionary = "instances", probability = 0.6 }
repository = { dictionary = "repositories", probability = 0.6 }
agent = { dictionary = "agents", probability = 0.6 }
"body.instance" = { dictionary = "instances", probability = 0.6 }

[[operations]]
include-operation-id = ${JSON.stringify(ofAgents)}
headers = { Authorization = "Bearer ${agentToken}" }

[[operations]]
include-operation-id = ${JSON.stringify(REFUSED_FOR_MEANING)}
checks.positive_data_acceptance.enabled = false
`;
}

async function runFuzzer({ url }: ApiGround, dir: string, { seed, amount }: FuzzOptions, which: readonly string[]): Promise<FuzzResult> {
  const report = join(dir, "report.json");
  // One worker: its generators do not stand two. A slow machine is no fault.
  const fixed = ["--workers", "1", "--suppress-health-check", "all", "--request-timeout", "60", "--generation-database", "none", "--output-truncate", "false", "--no-color", "--no-shrink", "--warnings", "off"];
  const args = ["-m", "schemathesis.cli", "run", `${url}/openapi.json`, "--seed", String(seed), "--report", "json", "--report-json-path", report, ...fixed, ...amount, ...which];
  const child = spawn("python3", args, { cwd: dir, env: { ...process.env, PYTHONPATH: PACKAGES, PYTHONDONTWRITEBYTECODE: "1" }, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const [code] = (await once(child, "close")) as [number | null];
  return { ...countsOf(await readFile(report, "utf8").catch(() => "{}"), code), text };
}

function countsOf(report: string, code: number | null): Omit<FuzzResult, "text"> {
  const { operations, test_cases: cases, errors = [] } = JSON.parse(report) as { operations?: { tested: number }; test_cases?: { generated: number; unique_failures: number }; errors?: { count: number }[] };
  const failures = (cases?.unique_failures ?? 0) + errors.reduce((sum, { count }) => sum + count, 0);
  // However it ended: badly is a failure.
  return { requests: cases?.generated ?? 0, operations: operations?.tested ?? 0, failures: code === 0 ? failures : Math.max(1, failures) };
}
