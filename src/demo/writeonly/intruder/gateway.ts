import { request } from "node:https";
import { exchange } from "../../../lib/exchange.ts";
import { generateSigningKey, signerFrom } from "../../../lib/signing.ts";
import { CONFIRM_PATH, grantHeader, OBJECT_PATH } from "../../../model/gateway-protocol.ts";
import { type Grant, GRANT_KIND, type SignedGrant } from "../../../model/grant.ts";
import { MANIFEST_KIND } from "../../../model/manifest.ts";
import { type Answer, type Attempt, isRefusal, short } from "../attempt.ts";
import type { StoredObject } from "./plan.ts";

/** The one refusal whose status (502) is that of a fault: bytes arrived that are not the granted ones. */
const NOT_THE_GRANTED_BYTES = "OBJECT_DAMAGED";

export interface GatewayTarget {
  readonly url: string;
  readonly ca: string;
  /** What is stored in the repository that the grant is for. */
  readonly stored: readonly StoredObject[];
  /** Given to this very intruder for its own attempt, and not used yet. */
  readonly grant: SignedGrant;
  /** What that grant is for. */
  readonly body: Buffer;
  readonly token: string;
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly grant?: SignedGrant | undefined;
  readonly authorization?: string;
  readonly body?: Buffer;
}

async function call({ url, ca }: GatewayTarget, { method, path, grant, authorization, body }: Call): Promise<{ status: number; code: string }> {
  const { hostname, port } = new URL(url);
  const credential = grant === undefined ? authorization : grantHeader(grant);
  const headers = { "content-length": String(body?.byteLength ?? 0), ...(credential === undefined ? {} : { authorization: credential }) };
  // The path goes out as it is written here, whatever it leads to.
  const asked = request({ hostname, port, path, method, ca, headers, agent: false });
  if (body !== undefined) asked.write(body);
  const { status, text } = await exchange(asked, undefined);
  return { status, code: /"code":"([A-Z_]+)"/.exec(text)?.[1] ?? "" };
}

async function tryCall(target: GatewayTarget, made: Call): Promise<Answer> {
  const { status, code } = await call(target, made);
  return { refused: isRefusal(status) || code === NOT_THE_GRANTED_BYTES, said: `${String(status)} ${code}`.trim() };
}

/** Uses the grant for what it is for: proof that the others are asked in the right way. */
export async function useGrant(target: GatewayTarget): Promise<void> {
  const { status, code } = await call(target, { method: "PUT", path: OBJECT_PATH, grant: target.grant, body: target.body });
  if (status !== 201) throw new Error(`the gateway took not even what it must take: ${String(status)} ${code}`);
}

export function gatewayAttempts(target: GatewayTarget): Attempt[] {
  const at = `gateway, repository ${target.grant.body.repository}`;
  return [...alteredGrants(target), ...forgedGrants(target), ...otherRequests(target)].map(([what, made]) => ({ at, what, run: () => tryCall(target, made) }));
}

/** After `useGrant`. */
export function replayedGrants(target: GatewayTarget): Attempt[] {
  const at = `gateway, repository ${target.grant.body.repository}`;
  const { grant, body } = target;
  const put = (bytes: Buffer) => () => tryCall(target, { method: "PUT", path: OBJECT_PATH, grant, body: bytes });
  return [
    { at, what: "use a grant a second time", run: put(body) },
    { at, what: "use it again for other bytes", run: put(Buffer.from(body).reverse()) },
    { at, what: "use it to read what was written", run: () => tryCall(target, { method: "GET", path: OBJECT_PATH, grant }) },
  ];
}

/** The grant is good, for the name of a piece of log that is stored: the server does not know yet whether its holder tries again. */
export function overwriteAttempt(target: GatewayTarget): Attempt {
  const { grant, body } = target;
  return { at: `gateway, repository ${grant.body.repository}`, what: "overwrite a stored piece of log with a good grant for its name", run: () => tryCall(target, { method: "PUT", path: OBJECT_PATH, grant, body }) };
}

type Named = readonly [what: string, made: Call];

/** The server's own signature under something that it has not signed. */
function alteredGrants({ grant, body, stored: [first] }: GatewayTarget): Named[] {
  const altered = (change: Partial<Grant>): SignedGrant => ({ ...grant, body: { ...grant.body, ...change } });
  const put = (change: Partial<Grant>, bytes = body): Call => ({ method: "PUT", path: OBJECT_PATH, grant: altered(change), body: bytes });
  const get = (change: Partial<Grant>): Call => ({ method: "GET", path: OBJECT_PATH, grant: altered({ operation: "get", ...change }) });
  const victim = { key: first?.key ?? "", sizeBytes: first?.sizeBytes ?? 0, sha256: first?.sha256 ?? "" };
  const folder = victim.key.replace(/[^/]+$/, "");
  const names = [victim.key, `${folder}manifest.json`, "holdfast.json", "../outside", "/etc/cron.d/x", `${folder}../../../../x`, "x\0.zst.age", "x".repeat(2_000)];
  return [
    ...names.map((key): Named => [`write to ${short(key)} with an altered grant`, put({ key })]),
    ["read a pack with an altered grant", get(victim)],
    ["read the mark of the repository", get({ key: "holdfast.json" })],
    ["read out of the repository", get({ key: "../../../../etc/shadow" })],
    ["ask for a stored object with an altered grant", { method: "POST", path: CONFIRM_PATH, grant: altered(victim) }],
    ["make a grant last for years", put({ expiresAt: "2099-01-01T00:00:00.000Z" })],
    ["make it larger", put({ sizeBytes: body.byteLength * 2 }, Buffer.concat([body, body]))],
    ["make it for other bytes", put({ sha256: "0".repeat(64) })],
    ["make it another attempt's", put({ attemptId: grant.body.grantId })],
    ["take it to another repository", put({ repository: grant.body.repository === "directory" ? "bucket" : "directory" })],
    ["cut its signature off", { method: "PUT", path: OBJECT_PATH, grant: { ...grant, signature: { ...grant.signature, value: "" } }, body }],
    ["call it a manifest", { method: "PUT", path: OBJECT_PATH, grant: { ...grant, kind: MANIFEST_KIND }, body }],
    ["send fewer bytes than granted", { method: "PUT", path: OBJECT_PATH, grant, body: body.subarray(1) }],
    ["send other bytes than granted", { method: "PUT", path: OBJECT_PATH, grant, body: Buffer.from(body).reverse() }],
  ];
}

/** Signed by the intruder, who has a key like everybody. */
function forgedGrants({ grant, body, stored: [first] }: GatewayTarget): Named[] {
  const signer = signerFrom(generateSigningKey());
  const forged = (change: Partial<Grant>): SignedGrant => {
    const signed = signer.sign(GRANT_KIND, { ...grant.body, ...change });
    return { ...signed, signature: { ...signed.signature, key: grant.signature.key } };
  };
  const victim = { key: first?.key ?? "", sizeBytes: first?.sizeBytes ?? 0, sha256: first?.sha256 ?? "" };
  return [
    ["overwrite a pack with a grant of its own", { method: "PUT", path: OBJECT_PATH, grant: forged({ key: victim.key }), body }],
    ["truncate a pack with a grant of its own", { method: "PUT", path: OBJECT_PATH, grant: forged({ key: victim.key, sizeBytes: 0, sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }), body: Buffer.alloc(0) }],
    ["read a pack with a grant of its own", { method: "GET", path: OBJECT_PATH, grant: forged({ ...victim, operation: "get" }) }],
    ["write a manifest with a grant of its own", { method: "PUT", path: OBJECT_PATH, grant: forged({ key: victim.key.replace(/[^/]+$/, "manifest.json") }), body }],
  ];
}

/** Everything that one might ask of a store. */
function otherRequests({ grant, stored: [first], token }: GatewayTarget): Named[] {
  const key = first?.key ?? "";
  const withGrant = (method: string, path: string): Call => ({ method, path, grant });
  return [
    ["delete with a good grant", withGrant("DELETE", OBJECT_PATH)],
    ["delete by name", withGrant("DELETE", `${OBJECT_PATH}/${key}`)],
    ["change it", withGrant("PATCH", OBJECT_PATH)],
    ["move it away", withGrant("MOVE", OBJECT_PATH)],
    ["list", withGrant("GET", "/v1/objects?prefix=")],
    ["list as a bucket", withGrant("GET", "/?list-type=2")],
    ["read a file by its path", withGrant("GET", "/../../../../etc/shadow")],
    ["read a file by its encoded path", withGrant("GET", `${OBJECT_PATH}/%2e%2e%2f%2e%2e%2fholdfast.json`)],
    ["write a file by its path", withGrant("PUT", `${OBJECT_PATH}/../../x`)],
    ["read with the agent's token", { method: "GET", path: OBJECT_PATH, authorization: `Bearer ${token}` }],
    ["write with the agent's token", { method: "PUT", path: OBJECT_PATH, authorization: `Bearer ${token}` }],
    ["read with nothing", { method: "GET", path: OBJECT_PATH }],
  ];
}
