import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../lib/clock.ts";
import { generateKeyPair, readIdentityFile, writeIdentityFile } from "./identities.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hf-id-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("a written identity file is private, and read back it gives the same pair", async () => {
  const path = join(folder, "a.key");
  const pair = await generateKeyPair();
  await writeIdentityFile(path, pair, systemClock);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readIdentityFile(path)).toEqual([pair]);
});

test("age-keygen reads the public key out of it", async () => {
  const path = join(folder, "a.key");
  const pair = await generateKeyPair();
  await writeIdentityFile(path, pair, systemClock);
  expect(execFileSync("age-keygen", ["-y", path], { encoding: "utf8" }).trim()).toBe(pair.recipient);
});

test("a file of age-keygen is read", async () => {
  const path = join(folder, "b.key");
  execFileSync("age-keygen", ["-o", path], { stdio: "ignore" });
  const [pair] = await readIdentityFile(path);
  expect(await readFile(path, "utf8")).toContain(`# public key: ${pair!.recipient}`);
});

test("an existing file is never overwritten", async () => {
  const path = join(folder, "a.key");
  await writeFile(path, "precious");
  await expect(writeIdentityFile(path, await generateKeyPair(), systemClock)).rejects.toMatchObject({ code: "REFUSED" });
  expect(await readFile(path, "utf8")).toBe("precious");
});

test.each([0o640, 0o604, 0o620])("a file of mode %o is refused with the command that closes it", async (mode) => {
  const path = join(folder, "a.key");
  await writeIdentityFile(path, await generateKeyPair(), systemClock);
  await chmod(path, mode);
  await expect(readIdentityFile(path)).rejects.toMatchObject({ code: "REFUSED", hint: expect.stringContaining(`chmod 600 ${path}`) as string });
});

test("a missing file and one without an identity are told apart from a damaged one", async () => {
  const path = join(folder, "a.key");
  await expect(readIdentityFile(path)).rejects.toMatchObject({ code: "KEY_MISSING" });
  await writeFile(path, "# nothing here\n", { mode: 0o600 });
  await expect(readIdentityFile(path)).rejects.toMatchObject({ code: "KEY_MISSING" });
  await writeFile(path, "# comment\nAGE-SECRET-KEY-1TYPO\n", { mode: 0o600 });
  const refused = await readIdentityFile(path).catch((error: unknown) => error as Error);
  expect(refused).toMatchObject({ code: "FORMAT_INVALID", message: expect.stringContaining("Line 2") as string });
  expect((refused as Error).message).not.toContain("TYPO");
});
