import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Encrypter } from "age-encryption";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { grantTerms } from "../../test/fixtures/grants.ts";
import { isoTime, systemClock } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import { generateSigningKey, signerFrom } from "../lib/signing.ts";
import { type Grant, GRANT_KIND, type SignedGrant } from "../model/grant.ts";
import { grantVerifier } from "../model/grant-check.ts";
import { heldRecipients, openKeyholder } from "./file-keyholder.ts";
import { generateKeyPair, type KeyPair, writeIdentityFile } from "./identities.ts";
import type { Keyholder } from "./keyholder.ts";
import type { Release } from "./release.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const signer = signerFrom(generateSigningKey());

let folder: string;
let pair: KeyPair;
let path: string;
let lines: string[];
let keyholder: Keyholder;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hf-kh-"));
  pair = await generateKeyPair();
  path = join(folder, "a.key");
  lines = [];
  await writeIdentityFile(path, pair, systemClock);
  const record = async (release: Release): Promise<void> => void lines.push(JSON.stringify(release));
  keyholder = openKeyholder({ identityPaths: [path], identitiesField: "keys.identities", verifyGrant: grantVerifier(signer.publicKey), record, clock: { ...systemClock, nowMs: () => NOW_MS } });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function grant(more: Partial<Grant> = {}, by = signer, kind = GRANT_KIND): SignedGrant {
  return by.sign(kind, grantTerms(Buffer.of(0), { operation: "get", ...more }, NOW_MS));
}

const grantFor = (header: Uint8Array, more: Partial<Grant> = {}): SignedGrant => grant({ headerSha256: createHash("sha256").update(header).digest("hex"), ...more });

async function headerFor(recipient: string): Promise<{ header: Uint8Array; fileKey: Uint8Array }> {
  const encrypter = new Encrypter();
  let fileKey = new Uint8Array();
  encrypter.addRecipient(recipient);
  encrypter.addRecipient({
    wrapFileKey: (key) => {
      fileKey = key.slice();
      return [];
    },
  });
  const file = await encrypter.encrypt(new Uint8Array(0));
  return { header: file.slice(0, -32), fileKey };
}

describe("the keyholder", () => {
  test("gives the file keys of the packs that were granted, in order, and logs each without the key", async () => {
    const [a, b] = [await headerFor(pair.recipient), await headerFor(pair.recipient)];
    const keys = await keyholder.open([
      { grant: grantFor(a.header), header: a.header },
      { grant: grantFor(b.header, { key: "other" }), header: b.header },
    ]);
    expect(keys).toEqual([a.fileKey, b.fileKey]);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/"event":"released".*"key":"other"/);
    expect(lines.join()).not.toContain(Buffer.from(a.fileKey).toString("base64"));
    expect(lines.join()).not.toContain(pair.identity);
  });

  test("refuses a header for somebody else's key", async () => {
    const { header } = await headerFor((await generateKeyPair()).recipient);
    await expect(keyholder.open([{ grant: grantFor(header), header }])).rejects.toMatchObject({ code: "KEY_WRONG" });
  });

  test("refuses an altered header", async () => {
    const { header } = await headerFor(pair.recipient);
    header[header.length - 3]! ^= 1;
    await expect(keyholder.open([{ grant: grantFor(header), header }])).rejects.toMatchObject({ code: "KEY_WRONG" });
  });

  test("refuses another pack's header, although its key opens it", async () => {
    const [a, b] = [await headerFor(pair.recipient), await headerFor(pair.recipient)];
    await expect(keyholder.open([{ grant: grantFor(a.header), header: b.header }])).rejects.toMatchObject({ code: "KEY_WRONG", message: expect.stringContaining("000000.zst.age is not the one its grant was given for") as string });
  });

  type Bound = { headerSha256?: string };
  test.each<[string, (bound: Bound) => SignedGrant]>([
    ["to write", (bound) => grant({ ...bound, operation: "put" })],
    ["that has expired this very millisecond", (bound) => grant({ ...bound, expiresAt: isoTime(NOW_MS) })],
    ["without a readable end", (bound) => grant({ ...bound, expiresAt: "some day" })],
    ["signed by another key", (bound) => grant(bound, signerFrom(generateSigningKey()))],
    ["of another kind", (bound) => grant(bound, signer, "holdfast-manifest-v1")],
    ["whose key was changed", (bound) => { const signed = grant(bound); return { ...signed, body: { ...signed.body, key: "another" } }; }],
    ["whose header was changed", (bound) => { const signed = grant({ headerSha256: "0".repeat(64) }); return { ...signed, body: { ...signed.body, ...bound } }; }],
    ["to read, which names no header", () => grant()],
  ])("refuses a grant %s and logs it", async (_what, makeGrant) => {
    const { header } = await headerFor(pair.recipient);
    const bound = { headerSha256: grantFor(header).body.headerSha256 as string };
    await expect(keyholder.open([{ grant: makeGrant(bound), header }])).rejects.toMatchObject({ code: "GRANT_INVALID" });
    expect(lines[0]).toMatch(/"event":"refused".*"code":"GRANT_INVALID"/);
  });

  test("gives nothing when its release cannot be recorded", async () => {
    const { header } = await headerFor(pair.recipient);
    const record = () => Promise.reject(new HoldfastError("STORAGE_FULL", "no space"));
    const forgetful = openKeyholder({ identityPaths: [path], identitiesField: "identities", verifyGrant: grantVerifier(signer.publicKey), record, clock: { ...systemClock, nowMs: () => NOW_MS } });
    await expect(forgetful.open([{ grant: grantFor(header), header }])).rejects.toMatchObject({ code: "STORAGE_FULL" });
  });

  test("says when its identity file has gone", async () => {
    await rm(path);
    await expect(keyholder.open([])).rejects.toMatchObject({ code: "KEY_MISSING" });
  });

  test("tells which recipients it serves", async () => {
    expect(await heldRecipients([path])).toEqual([pair.recipient]);
  });
});
