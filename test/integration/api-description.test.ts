import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fuzz, FUZZED, noFuzzer } from "../api/fuzzer.ts";
import { type ApiGround, makeApiGround } from "../api/ground.ts";
import { tempDir, type TempDir } from "../fixtures/temp.ts";
import { describeUnless } from "../skip.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const LINTER = join(ROOT, "node_modules/@redocly/cli/bin/cli.js");

/** Errors and warnings of the linter's recommended rules. */
function lint(path: string): { totals: { errors: number; warnings: number }; problems: { ruleId: string; severity: string; message: string }[] } {
  const env = { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };
  const { stdout, stderr } = spawnSync(process.execPath, [LINTER, "lint", path, "--extends=recommended", "--format=json", "--max-problems=1000"], { cwd: ROOT, env, encoding: "utf8" });
  if (!stdout.startsWith("{")) throw new Error(`the linter said ${stderr}`);
  return JSON.parse(stdout) as ReturnType<typeof lint>;
}

describe("the OpenAPI document", () => {
  let dir: TempDir;
  beforeAll(async () => {
    dir = await tempDir();
  });
  afterAll(async () => {
    await dir.remove();
  });

  it("passes a linter without errors and warnings", () => {
    expect(lint(join(ROOT, "docs/openapi.json"))).toMatchObject({ problems: [], totals: { errors: 0, warnings: 0 } });
  });

  it("would not pass it with an operation that has no name, or a reference that leads nowhere", async () => {
    const text = await readFile(join(ROOT, "docs/openapi.json"), "utf8");
    const [nameless, lost] = [join(dir.path, "nameless.json"), join(dir.path, "lost.json")];
    await writeFile(nameless, text.replace(/"operationId": "[^"]+",/, ""));
    await writeFile(lost, text.replaceAll("#/components/schemas/Finding\"", "#/components/schemas/Gone\""));
    expect(lint(nameless).totals).toMatchObject({ errors: 0, warnings: 1 });
    expect(lint(lost).totals.errors).toBeGreaterThan(0);
  });
});

describeUnless(noFuzzer, "a server that is asked what its OpenAPI document promises", () => {
  let ground: ApiGround;
  let dir: TempDir;
  beforeAll(async () => {
    [ground, dir] = [await makeApiGround(), await tempDir()];
  });
  afterAll(async () => {
    await ground.stop();
    await dir.remove();
  });

  it("never answers otherwise, and never with a fault of its own", async () => {
    const { failures, operations, requests, text } = await fuzz(ground, dir.path, { seed: 1, amount: ["--max-examples", "2", "--phases", "coverage,fuzzing"] });
    expect(failures, text).toBe(0);
    expect(operations).toBe(FUZZED);
    expect(requests).toBeGreaterThan(20 * FUZZED);
    expect((await readFile(ground.logPath, "utf8")).split("\n").filter((line) => line.includes('"level":50'))).toEqual([]);
    expect(ground.isRunning()).toBe(true);
  });
});
