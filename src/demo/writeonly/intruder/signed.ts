import { request } from "node:https";
import { exchange } from "../../../lib/exchange.ts";
import type { OfferedGrant, SignedRequest } from "../../../model/grant.ts";
import { type Answer, type Attempt, isRefusal, short } from "../attempt.ts";
import type { StoredObject } from "./plan.ts";

export interface SignedTarget {
  readonly ca: string;
  /** What is stored in the bucket. */
  readonly stored: readonly StoredObject[];
  /** With requests that the server signed for this very intruder, and that are not used yet. */
  readonly grant: OfferedGrant;
  /** What they are for. */
  readonly body: Buffer;
}

/** A store that waits for more has refused nothing. */
const SILENCE_MS = 30_000;
const AT = "bucket, requests that the server signed";

interface Sent extends SignedRequest {
  readonly body?: Uint8Array | undefined;
}

/** Exactly as it stands there: no address is cleaned, no header added. */
async function send(ca: string, { method, url, headers, body }: Omit<Sent, "method"> & { method: string }): Promise<{ status: number; code: string }> {
  const { origin, hostname, port } = new URL(url);
  const sent = request({ hostname, port, method, path: url.slice(origin.length), headers, ca, agent: false });
  sent.setTimeout(SILENCE_MS, () => sent.destroy(new Error("the store is silent")));
  if (body !== undefined) sent.write(body);
  const { status, text } = await exchange(sent, undefined);
  return { status, code: /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? "" };
}

async function trySend(ca: string, sent: Omit<Sent, "method"> & { method: string }): Promise<Answer> {
  const { status, code } = await send(ca, sent);
  return { refused: isRefusal(status), said: `${String(status)} ${code}`.trim() };
}

function requestsOf({ grant }: SignedTarget): { write: SignedRequest; ask: SignedRequest } {
  const { transfer, confirm } = grant.request ?? {};
  if (transfer === undefined || confirm === undefined) throw new Error("the server signed no requests for the bucket");
  return { write: transfer, ask: confirm };
}

/** Uses the request for what it is for: proof that the others are sent in the right way. */
export async function useRequest(target: SignedTarget): Promise<void> {
  const { status, code } = await send(target.ca, { ...requestsOf(target).write, body: target.body });
  if (status !== 200) throw new Error(`the store took not even what it must take: ${String(status)} ${code}`);
}

export function signedAttempts(target: SignedTarget): Attempt[] {
  const { ca, body, grant, stored } = target;
  const { write, ask } = requestsOf(target);
  const { origin, pathname } = new URL(write.url);
  const bucket = `${origin}/${pathname.split("/")[1] ?? ""}`;
  const at = (key: string): string => write.url.replace(encodeURI(grant.body.key), key);
  const packs = stored.slice(0, 2).map(({ key }) => key);
  const folder = (packs[0] ?? "").replace(/[^/]+$/, "");
  const withHeaders = (more: Record<string, string>): Record<string, string> => ({ ...write.headers, ...more });
  const without = (...names: string[]): Record<string, string> => Object.fromEntries(Object.entries(write.headers).filter(([name]) => !names.includes(name)));
  const keys = [...packs, `${folder}manifest.json`, "holdfast.json", `${folder}../../../x`, `%2e%2e/${packs[0] ?? ""}`];
  const asked: readonly (readonly [string, Omit<Sent, "method"> & { method: string }])[] = [
    ...keys.map((key) => [`write to ${short(key)}`, { ...write, url: at(key), body }] as const),
    ["delete the object", { ...write, method: "DELETE", body }],
    ["delete a pack", { ...write, method: "DELETE", url: at(packs[0] ?? ""), body }],
    ["delete a version of a pack", { ...write, method: "DELETE", url: `${at(packs[0] ?? "")}?versionId=null`, body }],
    ["read a pack with a request to write", { ...write, method: "GET", url: at(packs[0] ?? ""), body }],
    ["read a pack with a request to ask", { ...ask, method: "GET", url: ask.url.replace(encodeURI(grant.body.key), packs[0] ?? "") }],
    ["ask for a pack", { ...ask, url: ask.url.replace(encodeURI(grant.body.key), packs[0] ?? "") }],
    ["list the bucket", { ...ask, method: "GET", url: `${bucket}?list-type=2` }],
    ["list versions", { ...ask, method: "GET", url: `${bucket}?versions` }],
    ["let everything expire", { ...write, url: `${bucket}?lifecycle`, body }],
    ["shorten a lock", { ...write, url: `${at(packs[0] ?? "")}?retention`, body }],
    ["write other bytes", { ...write, body: Buffer.from(body).reverse() }],
    ["write fewer bytes", { ...write, headers: withHeaders({ "content-length": String(body.byteLength - 1) }), body: body.subarray(1) }],
    ["write without the condition that the name is free", { ...write, headers: without("if-none-match"), body }],
    ["write without a lock", { ...write, headers: without("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"), body }],
    ["write with a lock that ends at once", { ...write, headers: withHeaders({ "x-amz-object-lock-retain-until-date": new Date(Date.now() + 60_000).toISOString() }), body }],
    ["write with a lock that can be bypassed", { ...write, headers: withHeaders({ "x-amz-object-lock-mode": "GOVERNANCE" }), body }],
    ["use a request of long ago as one of today", { ...write, headers: withHeaders({ "x-amz-date": "20200101T000000Z" }), body }],
  ];
  return asked.map(([what, sent]) => ({ at: AT, what, run: () => trySend(ca, sent) }));
}

/** After `useRequest`. */
export function replayedRequests(target: SignedTarget): Attempt[] {
  const { ca, body } = target;
  const { write } = requestsOf(target);
  return [
    { at: AT, what: "use a request a second time", run: () => trySend(ca, { ...write, body }) },
    { at: AT, what: "use it again without its condition", run: () => trySend(ca, { ...write, headers: Object.fromEntries(Object.entries(write.headers).filter(([name]) => name !== "if-none-match")), body }) },
    { at: AT, what: "delete what it wrote", run: () => trySend(ca, { ...write, method: "DELETE", body }) },
  ];
}

/** The request is good, for the name of a piece of log that is stored. */
export function overwriteWithRequest(target: SignedTarget): Attempt {
  return { at: AT, what: "overwrite a stored piece of log with a good request for its name", run: () => trySend(target.ca, { ...requestsOf(target).write, body: target.body }) };
}
