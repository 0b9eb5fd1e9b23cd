import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const MIB = 1024 * 1024;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hf-mm-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("writing and reading 512 MiB with a budget of 128 MiB takes less than 300 MiB of memory, and the process ends by itself", async () => {
  const script = fileURLToPath(new URL("../../test/fakes/write-much.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, folder, "512"], { timeout: 240_000 });
  const { plainBytes, readBytes, grown } = JSON.parse(stdout) as { plainBytes: number; readBytes: number; grown: number };
  expect(plainBytes).toBe(512 * MIB);
  expect(readBytes).toBe(512 * MIB);
  expect(grown).toBeLessThan(300 * MIB);
});
