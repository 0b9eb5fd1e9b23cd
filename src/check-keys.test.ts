import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkIdentities, checkRecipients } from "./check-keys.ts";
import { type Config, parseConfig } from "./config/config.ts";
import { generateKeyPair, type KeyPair, writeIdentityFile } from "./keys/identities.ts";
import { systemClock } from "./lib/clock.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function keyFile(name: string): Promise<KeyPair & { path: string }> {
  const pair = await generateKeyPair();
  const path = join(dir, name);
  await writeIdentityFile(path, pair, systemClock);
  return { ...pair, path };
}

function configOf(...recipients: string[]): Config {
  return parseConfig(`stateDir: state\nkeys: { recipients: [${recipients.join(", ")}] }\n`, join(dir, "holdfast.yaml"), {});
}

test("an identity of a recipient is proven by opening what is sealed to it, and never shown", async () => {
  const [daily, escrow] = [await keyFile("daily.key"), await keyFile("escrow.key")];
  const found = await checkIdentities(configOf(daily.recipient, escrow.recipient), [daily.path, escrow.path]);
  expect(found.map(({ status }) => status)).toEqual(["ok", "ok"]);
  expect(found[0]?.message).toContain(daily.recipient);
  expect(JSON.stringify(found)).not.toContain("AGE-SECRET-KEY");
});

test("an identity that belongs to no recipient, and a file that is none, are errors with a remedy", async () => {
  const [daily, stranger] = [await keyFile("daily.key"), await keyFile("stranger.key")];
  const found = await checkIdentities(configOf(daily.recipient), [stranger.path, join(dir, "none.key")]);
  expect(found).toMatchObject([
    { status: "error", message: "it opens nothing that is sealed to the configured recipients" },
    { status: "error", message: expect.stringContaining("none.key") as string },
  ]);
  expect(found.every(({ remedy }) => remedy !== null)).toBe(true);
});

test("an identity of before a rotation is a warning beside one that opens what is sealed now", async () => {
  const [daily, before] = [await keyFile("daily.key"), await keyFile("before.key")];
  expect(await checkIdentities(configOf(daily.recipient), [before.path, daily.path, join(dir, "none.key")])).toMatchObject([
    { subject: `identity ${before.path}`, status: "warning", message: "it opens nothing that is sealed now" },
    { status: "ok" },
    { status: "error" },
  ]);
});

test("one recipient alone and no identity at all are warnings", async () => {
  const { recipient } = await keyFile("daily.key");
  expect(checkRecipients(configOf(recipient))).toMatchObject([{ status: "warning" }]);
  expect(await checkIdentities(configOf(recipient), [])).toMatchObject([{ subject: "keyholder", status: "warning" }]);
});
