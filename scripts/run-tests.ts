/**
 * Runs types, lint, generated documents and the tests, and ends with one line of counts. Each of the first three counts
 * as one test. `run-tests.ts check|all [words for vitest…]`.
 */
import { spawn } from "node:child_process";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join, relative, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "..");
const CACHE = join(ROOT, "node_modules/.cache");
const RESULTS = join(CACHE, "test-results.json");

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Step {
  /** How many checks it makes; its exit code says how many of them failed. */
  readonly checks: number;
  readonly args: readonly string[];
}

interface Verdict {
  readonly passed: number;
  readonly failed: number;
  readonly text: string;
}

/** What is read of the JSON that vitest writes. */
interface TestFile {
  readonly name: string;
  readonly status: "passed" | "failed";
  readonly message: string;
  readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
}

const STEPS: readonly Step[] = [
  { checks: 2, args: ["scripts/types-and-lint.ts"] },
  { checks: 1, args: ["scripts/generate.ts", "--check"] },
];

async function runStep(step: Step): Promise<Verdict> {
  const started = performance.now();
  const child = spawn(process.execPath, step.args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const output: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => output.push(chunk));
  // A step that was killed has failed in all.
  const failed = Math.min((await exitCode(child)) ?? step.checks, step.checks);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const title = `${failed === 0 ? "ok  " : "FAIL"} ${step.args.join(" ")} (${seconds} s)`;
  const text = Buffer.concat(output).toString().trimEnd();
  return { passed: step.checks - failed, failed, text: text === "" ? title : `${title}\n${text}` };
}

async function runVitest(suite: string, words: readonly string[]): Promise<number> {
  await mkdir(CACHE, { recursive: true });
  await rm(RESULTS, { force: true });
  const args = ["node_modules/vitest/vitest.mjs", "run", "--reporter=default", "--reporter=json", `--outputFile.json=${RESULTS}`];
  if (suite === "check") args.push("--project", "unit");
  return (await exitCode(spawn(process.execPath, [...args, ...words], { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] }))) ?? 1;
}

/** Null when a signal ended it. */
function exitCode(child: ReturnType<typeof spawn>): Promise<number | null> {
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code) => { done(code); });
  });
}

/** Null when vitest died before it wrote any. */
async function readResults(): Promise<TestFile[] | null> {
  try {
    const report = JSON.parse(await readFile(RESULTS, "utf8")) as { testResults: TestFile[] };
    return report.testResults;
  } catch {
    return null;
  }
}

async function allowedSkips(): Promise<string[]> {
  const list = JSON.parse(await readFile(join(ROOT, "scripts/allowed-skips.json"), "utf8")) as { reasons: string[] };
  return list.reasons;
}

/** Counts a file's tests; a file that failed without any failed test (it does not load) counts as one failure. */
function countFile(file: TestFile, mayBeSkipped: (title: string) => boolean): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const test of file.assertionResults) {
    if (test.status === "passed") counts.passed += 1;
    else if (test.status === "failed") counts.failed += 1;
    else if (mayBeSkipped(test.fullName)) counts.skipped += 1;
    else counts.failed += 1;
    if (test.status !== "passed" && test.status !== "failed") {
      const verdict = mayBeSkipped(test.fullName) ? "SKIPPED" : "FAIL, skipped without an allowed reason";
      print(`${verdict}: ${relative(ROOT, file.name)} > ${test.fullName}`);
    }
  }
  if (file.status === "failed" && counts.failed === 0) counts.failed = 1;
  return counts;
}

async function countTests(vitestExit: number): Promise<Counts> {
  const reasons = await allowedSkips();
  const ci = process.env["CI"] === "true";
  const mayBeSkipped = (title: string) => !ci || reasons.some((reason) => title.includes(reason));
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of (await readResults()) ?? []) {
    const counts = countFile(file, mayBeSkipped);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  // An unhandled error or a crash fails the run without failing a test.
  if (vitestExit !== 0 && total.failed === 0) total.failed = 1;
  return total;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(suite = "all", ...words: string[]): Promise<void> {
  const steps = Promise.all(STEPS.map(runStep));
  // The tests of `check` are small and run beside the steps; those with real servers get the machine to themselves.
  if (suite !== "check") for (const { text } of await steps) print(text);
  const vitestExit = await runVitest(suite, words);
  const total = await countTests(vitestExit);
  for (const verdict of await steps) {
    if (suite === "check") print(verdict.text);
    total.passed += verdict.passed;
    total.failed += verdict.failed;
  }
  const skipped = total.skipped === 0 ? "" : `, ${total.skipped} skipped`;
  print(`${total.passed} passed, ${total.failed} failed${skipped}`);
  process.exitCode = total.failed === 0 ? 0 : 1;
}

await main(...process.argv.slice(2));
