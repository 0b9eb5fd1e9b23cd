/**
 * Runs types, lint and generated documents side by side, then the tests, and ends with one line of counts. Each of the
 * first three counts as one test. `run-tests.ts check|all [words for vitest…]`.
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
  readonly name: string;
  readonly args: readonly string[];
}

/** What is read of the JSON that vitest writes. */
interface TestFile {
  readonly name: string;
  readonly status: "passed" | "failed";
  readonly message: string;
  readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
}

function staticSteps(): Step[] {
  return [
    { name: "types", args: ["node_modules/typescript/bin/tsc", "--noEmit"] },
    // Without its cache: that keeps a file's verdict when a type the file imports has changed.
    { name: "lint", args: ["node_modules/eslint/bin/eslint.js", "--max-warnings", "0", "."] },
    { name: "generated documents", args: ["scripts/generate.ts", "--check"] },
  ];
}

async function runStep(step: Step): Promise<boolean> {
  const started = performance.now();
  const child = spawn(process.execPath, step.args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const output: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => output.push(chunk));
  const code = await exitCode(child);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  print(`${code === 0 ? "ok  " : "FAIL"} ${step.name} (${seconds} s)`);
  if (code !== 0) print(Buffer.concat(output).toString().trimEnd());
  return code === 0;
}

async function runVitest(suite: string, words: readonly string[]): Promise<number> {
  await mkdir(CACHE, { recursive: true });
  await rm(RESULTS, { force: true });
  const args = ["node_modules/vitest/vitest.mjs", "run", "--reporter=default", "--reporter=json", `--outputFile.json=${RESULTS}`];
  if (suite === "check") args.push("--project", "unit");
  return exitCode(spawn(process.execPath, [...args, ...words], { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] }));
}

function exitCode(child: ReturnType<typeof spawn>): Promise<number> {
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code) => { done(code ?? 1); });
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
  const steps = await Promise.all(staticSteps().map(runStep));
  const total = await countTests(await runVitest(suite, words));
  total.passed += steps.filter((ok) => ok).length;
  total.failed += steps.filter((ok) => !ok).length;
  const skipped = total.skipped === 0 ? "" : `, ${total.skipped} skipped`;
  print(`${total.passed} passed, ${total.failed} failed${skipped}`);
  process.exitCode = total.failed === 0 ? 0 : 1;
}

await main(...process.argv.slice(2));
