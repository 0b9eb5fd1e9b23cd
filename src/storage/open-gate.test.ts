import { beforeEach, expect, test } from "vitest";
import { grantTerms } from "../../test/fixtures/grants.ts";
import { isoTime, systemClock } from "../lib/clock.ts";
import { generateSigningKey, signerFrom } from "../lib/signing.ts";
import { type Grant, GRANT_KIND, type SignedGrant } from "../model/grant.ts";
import type { ObjectGate } from "./gate.ts";
import { openStorage, storageDrivers } from "./index.ts";
import { memoryStorage } from "./memory.ts";
import { openGate } from "./open-gate.ts";
import type { Storage } from "./storage.ts";

const NOW_MS = Date.UTC(2026, 0, 1);
const signer = signerFrom(generateSigningKey());
const body = Buffer.from("the bytes of a pack");
const signal = new AbortController().signal;

let storage: Storage;
let gate: ObjectGate;
beforeEach(() => {
  storage = memoryStorage.open({});
  gate = openGate({ repositories: new Map([["main", storage]]), publicKey: signer.publicKey, clock: { ...systemClock, nowMs: () => NOW_MS } });
});

function grant(more: Partial<Grant> = {}, by = signer): SignedGrant {
  return by.sign(GRANT_KIND, grantTerms(body, more, NOW_MS));
}

test("a granted object goes in and comes out, whole and in ranges", async () => {
  await gate.put(grant(), [body], signal);
  const whole = await (await gate.get(grant({ operation: "get" }), undefined, signal)).toArray();
  expect(Buffer.concat(whole as Buffer[])).toEqual(body);
  const part = await (await gate.get(grant({ operation: "get" }), { start: 4, end: 9 }, signal)).toArray();
  expect(Buffer.concat(part as Buffer[]).toString()).toBe("bytes");
});

test("bytes that are not those of the grant are refused", async () => {
  await expect(gate.put(grant(), [Buffer.from("the bytes of a pack!")], signal)).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
  await expect(gate.put(grant({ sha256: "0".repeat(64) }), [body], signal)).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
  expect(await storage.stat("i/backups/b/000000.zst.age")).toBeNull();
});

test.each<[string, () => SignedGrant]>([
  ["of another operation", () => grant({ operation: "get" })],
  ["that has expired", () => grant({ expiresAt: isoTime(NOW_MS) })],
  ["of another signer", () => grant({}, signerFrom(generateSigningKey()))],
  ["for a repository that is not here", () => grant({ repository: "other" })],
  ["with a changed key", () => { const signed = grant(); return { ...signed, body: { ...signed.body, key: "elsewhere" } }; }],
])("a grant %s opens nothing", async (_what, makeGrant) => {
  await expect(gate.put(makeGrant(), [body], signal)).rejects.toMatchObject({ code: "GRANT_INVALID" });
  const toRead = makeGrant().body.operation === "get" ? grant() : makeGrant();
  await expect(gate.get(toRead, undefined, signal)).rejects.toMatchObject({ code: "GRANT_INVALID" });
});

test("a grant cannot overwrite, and a key that leads out of the repository is refused even when signed", async () => {
  await gate.put(grant(), [body], signal);
  await expect(gate.put(grant(), [body], signal)).rejects.toMatchObject({ code: "OBJECT_EXISTS" });
  await expect(gate.put(grant({ key: "../outside" }), [body], signal)).rejects.toMatchObject({ code: "INPUT_INVALID" });
});

test("an aborted signal ends the put with its reason", async () => {
  const reason = new Error("cancelled");
  await expect(gate.put(grant(), [body], AbortSignal.abort(reason))).rejects.toBe(reason);
});

test("a repository is opened by its kind, and faults are named", () => {
  expect(storageDrivers.map((driver) => driver.kind)).toContain("local");
  expect(openStorage("local", { path: "/srv/x" }).describe()).toContain("/srv/x");
  expect(() => openStorage("tape", {})).toThrow(expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining('"tape"') as string }) as Error);
  expect(() => openStorage("local", { path: "x" })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining("options.path is not an absolute path") as string }) as Error);
});
