import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { isoTime } from "../../src/lib/clock.ts";
import { generateSigningKey, signerFrom } from "../../src/lib/signing.ts";
import { grantHeader } from "../../src/model/gateway-protocol.ts";
import { type Grant, GRANT_KIND, type SignedGrant } from "../../src/model/grant.ts";
import { MANIFEST_KIND } from "../../src/model/manifest.ts";
import { type GatewayGround, openGround } from "../fixtures/gateway.ts";
import { grantBy } from "../fixtures/grants.ts";
import { type RawRequest, sendRaw } from "../fixtures/raw-http.ts";

const BODY = Buffer.from("the bytes of a pack");
const STORED = Buffer.from("what was stored before");
const STORED_KEY = "i/backups/old/000000.zst.age";

let ground: GatewayGround;
let before: string[];

beforeAll(async () => {
  ground = await openGround({ more: "limits: { objectBytes: 1GiB }\n" });
  // Within reach of a path that leads out.
  await writeFile(join(ground.dir, "outside"), "not to be touched");
  expect(await sendRaw(ground.gateway.port, put(ground.grant(STORED, { key: STORED_KEY }), STORED))).toMatchObject({ status: 201 });
  before = await everything();
});

afterAll(() => ground.remove());

/** Every file of the gateway's surroundings with its hash, but for its own log and memory. */
async function everything(): Promise<string[]> {
  const names = (await readdir(ground.dir, { recursive: true })).filter((name) => !name.startsWith("gateway-state/")).toSorted();
  return Promise.all(
    names.map(async (name) => {
      const path = join(ground.dir, name);
      return (await stat(path)).isDirectory() ? `${name}/` : `${name} ${createHash("sha256").update(await readFile(path)).digest("hex")}`;
    }),
  );
}

const put = (grant: SignedGrant, body: Uint8Array, more: readonly string[] = []): RawRequest => ({
  method: "PUT",
  path: "/v1/object",
  headers: [`authorization: ${grantHeader(grant)}`, `content-length: ${String(body.byteLength)}`, ...more],
  body,
});
const get = (grant: SignedGrant, query = ""): RawRequest => ({ method: "GET", path: `/v1/object${query}`, headers: [`authorization: ${grantHeader(grant)}`] });
const confirm = (grant: SignedGrant): RawRequest => ({ method: "POST", path: "/v1/confirm", headers: [`authorization: ${grantHeader(grant)}`, "content-length: 0"] });
const bare = (method: string, path: string, headers: readonly string[] = []): RawRequest => ({ method, path, headers: [`authorization: ${grantHeader(ground.grant(BODY))}`, "content-length: 0", ...headers] });
const withHeader = (header: string): RawRequest => ({ method: "PUT", path: "/v1/object", headers: [header, `content-length: ${String(BODY.byteLength)}`], body: BODY });

/** A grant with something changed after it was signed. */
function altered(body: Partial<Grant>, terms: Partial<Grant> = {}): SignedGrant {
  const signed = ground.grant(BODY, terms);
  return { ...signed, body: { ...signed.body, ...body } };
}

const foreign = (terms: Partial<Grant> = {}): SignedGrant => grantBy(signerFrom(generateSigningKey()), BODY, terms);
const ago = (): string => isoTime(Date.now() - 1_000);
const later = (): string => isoTime(Date.now() + 60_000);
const reading = (terms: Partial<Grant> = {}): SignedGrant => ground.grant(STORED, { operation: "get", key: STORED_KEY, ...terms });

type Attempt = readonly [what: string, code: string, request: () => RawRequest];

const GRANTS: readonly Attempt[] = [
  ["without a grant", "GRANT_INVALID", () => withHeader("x-nothing: here")],
  ["with a password instead", "GRANT_INVALID", () => withHeader("authorization: Basic cm9vdDpyb290")],
  ["with a token instead", "GRANT_INVALID", () => withHeader("authorization: Bearer abc")],
  ["with bytes that are no grant", "GRANT_INVALID", () => withHeader("authorization: Holdfast-Grant AAAA")],
  ["with a document that is no grant", "GRANT_INVALID", () => withHeader(`authorization: Holdfast-Grant ${Buffer.from('{"kind":"x","body":{}}').toString("base64url")}`)],
  ["with half a grant", "GRANT_INVALID", () => withHeader(`authorization: ${grantHeader(ground.grant(BODY)).slice(0, 300)}`)],
  ["beside another grant", "GRANT_INVALID", () => withHeader(`authorization: ${grantHeader(foreign())}, ${grantHeader(ground.grant(BODY))}`)],
  ["signed by another server", "GRANT_INVALID", () => put(foreign(), BODY)],
  ["signed by another server, to read", "GRANT_INVALID", () => get(foreign({ operation: "get", key: STORED_KEY }))],
  ["signed by another server, to ask", "GRANT_INVALID", () => confirm(foreign())],
  ["with an empty signature", "GRANT_INVALID", () => put({ ...ground.grant(BODY), signature: { key: ground.signer.fingerprint, value: "" } }, BODY)],
  ["with another grant's signature", "GRANT_INVALID", () => put({ ...ground.grant(BODY), signature: ground.grant(BODY, { key: "i/else" }).signature }, BODY)],
  ["with a signature over a document of another kind", "GRANT_INVALID", () => put({ ...ground.signer.sign(MANIFEST_KIND, ground.grant(BODY).body) }, BODY)],
  ["with that document called a grant", "GRANT_INVALID", () => put({ ...ground.signer.sign(MANIFEST_KIND, ground.grant(BODY).body), kind: GRANT_KIND }, BODY)],
  ["for another key than was signed", "GRANT_INVALID", () => put(altered({ key: "j/backups/b/000000.zst.age" }), BODY)],
  ["for more bytes than were signed", "GRANT_INVALID", () => put(altered({ sizeBytes: BODY.byteLength + 1 }), Buffer.concat([BODY, BODY.subarray(0, 1)]))],
  ["for another hash than was signed", "GRANT_INVALID", () => put(altered({ sha256: "0".repeat(64) }), BODY)],
  ["for longer than was signed", "GRANT_INVALID", () => put(altered({ expiresAt: later() }, { expiresAt: ago() }), BODY)],
  ["to write where it was signed to read", "GRANT_INVALID", () => put(altered({ operation: "put" }, { operation: "get" }), BODY)],
  ["to read where it was signed to write", "GRANT_INVALID", () => get(altered({ operation: "get", key: STORED_KEY }, { key: STORED_KEY }))],
  ["that has expired", "GRANT_INVALID", () => put(ground.grant(BODY, { expiresAt: ago() }), BODY)],
  ["that has expired, to read", "GRANT_INVALID", () => get(reading({ expiresAt: ago() }))],
  ["that has expired, to ask", "GRANT_INVALID", () => confirm(ground.grant(STORED, { key: STORED_KEY, expiresAt: ago() }))],
  ["that is valid for years", "GRANT_INVALID", () => put(ground.grant(BODY, { expiresAt: "2199-01-01T00:00:00.000Z" }), BODY)],
  ["whose end is no time", "GRANT_INVALID", () => put(ground.grant(BODY, { expiresAt: "tomorrow" }), BODY)],
  ["for a repository that is not here", "GRANT_INVALID", () => put(ground.grant(BODY, { repository: "other" }), BODY)],
  ["for a repository named like a property", "GRANT_INVALID", () => put(ground.grant(BODY, { repository: "constructor" }), BODY)],
  ["to read, used to write", "GRANT_INVALID", () => put(ground.grant(BODY, { operation: "get" }), BODY)],
  ["to write, used to read", "GRANT_INVALID", () => get(ground.grant(STORED, { key: STORED_KEY }))],
  ["to read, used to ask", "GRANT_INVALID", () => confirm(reading())],
];

const KEYS: readonly Attempt[] = [
  ["../outside", "INPUT_INVALID"],
  ["../../../../../../etc/cron.d/holdfast", "INPUT_INVALID"],
  ["i/../../outside", "INPUT_INVALID"],
  ["i/backups/..", "INPUT_INVALID"],
  ["/etc/cron.d/holdfast", "INPUT_INVALID"],
  ["//etc/passwd", "INPUT_INVALID"],
  ["./x", "INPUT_INVALID"],
  ["i//x", "INPUT_INVALID"],
  ["i/", "INPUT_INVALID"],
  ["x\0.zst.age", "INPUT_INVALID"],
  ["../outside\0.zst.age", "INPUT_INVALID"],
  [".tmp/x", "INPUT_INVALID"],
  ["x".repeat(256), "INPUT_INVALID"],
  ["y/".repeat(600) + "z", "INPUT_INVALID"],
  ["\ud800", "INPUT_INVALID"],
  ["", "GRANT_INVALID"],
  [STORED_KEY, "OBJECT_EXISTS"],
  [`${STORED_KEY}/below`, "INPUT_INVALID"],
  ["i/backups", "INPUT_INVALID"],
  ["holdfast.json", "OBJECT_EXISTS"],
].map(([key = "", code = ""]) => [JSON.stringify(key.slice(0, 60)), code, () => put(ground.grant(BODY, { key }), BODY)] as const);

const OPERATIONS: readonly Attempt[] = [
  ["delete the object of a grant", "NOT_FOUND", () => bare("DELETE", "/v1/object")],
  ["delete by name", "NOT_FOUND", () => bare("DELETE", `/v1/object/${STORED_KEY}`)],
  ["change it", "NOT_FOUND", () => bare("PATCH", "/v1/object")],
  ["move it", "NOT_FOUND", () => bare("MOVE", "/v1/object", ["destination: /v1/else"])],
  ["post it", "NOT_FOUND", () => bare("POST", "/v1/object")],
  ["list", "NOT_FOUND", () => bare("GET", "/v1/objects?prefix=")],
  ["list as a store would", "NOT_FOUND", () => bare("GET", "/?list-type=2")],
  ["read a file by its path", "NOT_FOUND", () => bare("GET", "/../../../../etc/passwd")],
  ["read a file by its encoded path", "NOT_FOUND", () => bare("GET", "/v1/object/%2e%2e%2f%2e%2e%2foutside")],
  ["write a file by its path", "NOT_FOUND", () => bare("PUT", "/v1/object/../../outside")],
  ["read without an end", "INPUT_INVALID", () => get(reading(), "?start=0")],
  ["read beyond the end", "INPUT_INVALID", () => get(reading(), "?start=0&end=999999")],
  ["read from before the beginning", "INPUT_INVALID", () => get(reading(), "?start=-1&end=2")],
  ["read backwards", "INPUT_INVALID", () => get(reading(), "?start=4&end=2")],
  ["read a fraction", "INPUT_INVALID", () => get(reading(), "?start=0.5&end=2")],
  ["read two ranges", "INPUT_INVALID", () => get(reading(), "?start=0&end=2&start=4&end=6")],
  ["read to an absurd end", "INPUT_INVALID", () => get(reading(), `?start=0&end=${"9".repeat(400)}`)],
  ["read with a question of its own", "INPUT_INVALID", () => get(reading(), "?start=0&end=2&key=holdfast.json")],
  ["read what is not there", "OBJECT_NOT_FOUND", () => get(reading({ key: "i/none" }))],
  ["read out of the repository", "INPUT_INVALID", () => get(reading({ key: "../outside" }))],
];

const SIZES: readonly Attempt[] = [
  ["fewer bytes than granted", "INPUT_INVALID", () => put(ground.grant(BODY), BODY.subarray(1))],
  ["more bytes than granted", "INPUT_INVALID", () => put(ground.grant(BODY), Buffer.concat([BODY, BODY]))],
  ["other bytes than granted", "OBJECT_DAMAGED", () => put(ground.grant(BODY), Buffer.from(BODY).reverse())],
  ["a length that is not said", "INPUT_INVALID", () => ({ ...put(ground.grant(BODY), BODY), headers: [`authorization: ${grantHeader(ground.grant(BODY))}`, "transfer-encoding: chunked"], body: Buffer.from(`13\r\n${BODY.toString()}\r\n0\r\n\r\n`) })],
  ["two lengths", "INPUT_INVALID", () => put(ground.grant(BODY), BODY, ["content-length: 1"])],
  ["a length and pieces", "INPUT_INVALID", () => put(ground.grant(BODY), BODY, ["transfer-encoding: chunked"])],
  ["a negative length", "INPUT_INVALID", () => ({ method: "PUT", path: "/v1/object", headers: ["content-length: -1"] })],
  ["a petabyte", "INPUT_INVALID", () => ({ ...put(ground.grant(BODY, { sizeBytes: 2 ** 50 }), BODY), headers: [`authorization: ${grantHeader(ground.grant(BODY, { sizeBytes: 2 ** 50 }))}`, `content-length: ${String(2 ** 50)}`] })],
  ["more than the gateway takes", "INPUT_INVALID", () => ({ ...put(ground.grant(BODY, { sizeBytes: 2 ** 30 + 1 }), BODY), headers: [`authorization: ${grantHeader(ground.grant(BODY, { sizeBytes: 2 ** 30 + 1 }))}`, `content-length: ${String(2 ** 30 + 1)}`, "expect: 100-continue"] })],
  ["headers without end", "INPUT_INVALID", () => put(ground.grant(BODY), BODY, [`x-long: ${"x".repeat(20_000)}`])],
  ["a path without end", "INPUT_INVALID", () => bare("GET", `/${"x".repeat(20_000)}`)],
  ["no HTTP at all", "INPUT_INVALID", () => ({ method: "\u0016\u0003\u0001", path: "hello" })],
];

async function refusals(): Promise<number> {
  return (await ground.gateway.log()).filter(({ msg, level }) => msg === "refused" && level === 40).length;
}

/** Refused with the error's own status and code; in the log; nothing was written, changed or lost. */
async function expectRefused(request: RawRequest, code: string): Promise<void> {
  const known = await refusals();
  const answer = await sendRaw(ground.gateway.port, request);
  expect(answer.code, answer.text).toBe(code);
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(answer.text).not.toContain("what was stored before");
  await expect.poll(refusals).toBe(known + 1);
  expect(await everything()).toEqual(before);
}

describe("whoever has taken over an agent's host and its grants cannot", () => {
  afterEach(async () => {
    expect((await ground.gateway.log()).filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  it.each(GRANTS)("use a grant %s", (_what, code, request) => expectRefused(request(), code));
  it.each(KEYS)("write to the key %s", (_what, code, request) => expectRefused(request(), code));
  it.each(OPERATIONS)("%s", (_what, code, request) => expectRefused(request(), code));
  it.each(SIZES)("send %s", (_what, code, request) => expectRefused(request(), code));

  it("use a grant a second time", async () => {
    const grant = ground.grant(BODY, { key: "i/backups/b/once" });
    expect(await sendRaw(ground.gateway.port, put(grant, BODY))).toMatchObject({ status: 201 });
    before = await everything();
    await expectRefused(put(grant, BODY), "OBJECT_EXISTS");
    await expectRefused(put(grant, Buffer.from(BODY).reverse()), "OBJECT_EXISTS");
  });

  it("mean another place by an encoded name: it is a name like any other, inside the repository", async () => {
    const key = "i/%2e%2e%2f%2e%2e%2foutside";
    expect(await sendRaw(ground.gateway.port, put(ground.grant(BODY, { key }), BODY))).toMatchObject({ status: 201 });
    expect(await readFile(join(ground.repositoryPath, key))).toEqual(BODY);
    before = await everything();
  });
});
