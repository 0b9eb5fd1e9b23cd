/**
 * Lets a fuzzer ask a real server everything that its own description promises: `main.ts [--minutes N] [--seed S]`. Ends
 * with a count, and fails on any answer outside the description, any 5xx and any line in the server's log that says so.
 */
import { copyFile, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { tempDir } from "../fixtures/temp.ts";
import { fuzz, noFuzzer } from "./fuzzer.ts";
import { makeApiGround } from "./ground.ts";

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ options: { minutes: { ...text, default: "5" }, seed: text } });
  const [minutes, seed] = [Number(values.minutes), values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)];
  if (!Number.isFinite(minutes) || !Number.isInteger(seed)) throw new RangeError("--minutes and --seed take numbers");
  if (noFuzzer !== undefined) throw new Error(`${noFuzzer}; scripts/setup.sh --for-tests fetches it where there is Python 3.10 or newer`);
  print(`fuzzing the API for ${String(minutes)} minutes, seed ${String(seed)}`);
  const dir = await tempDir();
  const ground = await makeApiGround();
  try {
    const result = await fuzz(ground, dir.path, { seed, amount: ["--max-time", String(Math.round(minutes * 60))] });
    const faults = (await readFile(ground.logPath, "utf8")).split("\n").filter((line) => line.includes('"level":50'));
    const failures = result.failures + faults.length + (ground.isRunning() ? 0 : 1);
    if (failures > 0) print(`${result.text}\n${faults.join("\n")}\nthe server's log: ${await kept(ground.logPath, seed)}`);
    print(`${String(result.requests)} requests to ${String(result.operations)} operations, ${String(failures)} failures, seed ${String(seed)}`);
    process.exitCode = failures === 0 ? 0 : 1;
  } finally {
    await ground.stop();
    await dir.remove();
  }
}

async function kept(logPath: string, seed: number): Promise<string> {
  const path = join(tmpdir(), `holdfast-api-${String(seed)}.jsonl`);
  await copyFile(logPath, path);
  return path;
}

await main();
