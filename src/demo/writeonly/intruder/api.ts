import { createHash } from "node:crypto";
import { type Client, createClient, fillRoute, remoteTransport, type Transport } from "../../../client/index.ts";
import { delay } from "../../../lib/clock.ts";
import { idFactory } from "../../../lib/ids.ts";
import { api } from "../../../model/api/index.ts";
import type { Route } from "../../../model/api/route.ts";
import type { OfferedGrant } from "../../../model/grant.ts";
import type { Order } from "../../../model/job.ts";
import { type Answer, answerOf, type Attempt, short } from "../attempt.ts";
import type { IntruderPlan, Loot, StoredObject } from "./plan.ts";

const LEASE_LIMIT_MS = 60_000;
const POLL_MS = 200;
const newId = idFactory();

export function transportOf({ identity }: Loot, token: string | null): Transport {
  return remoteTransport({ url: identity.server, fingerprint: identity.fingerprint ?? undefined, token: () => token });
}

export const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Strangers may ask only a few times in a second; each of these would do harm. */
const SOME = new Set(["system.status", "restores.run", "tokens.create", "agents.revoke"]);

type AnyRoute = Route<never, unknown>;
const routes: readonly AnyRoute[] = Object.values(api).flatMap((noun) => Object.values(noun) as AnyRoute[]);

/** Every route that people use, with the agent's token, with none and with a made-up one. */
export function rightsAttempts(loot: Loot): Attempt[] {
  const peoples = routes.filter(({ role }) => role !== "agent" && role !== "anyone");
  const madeUp = loot.identity.token.replace(/.$/, (last) => (last === "a" ? "b" : "a"));
  const withToken = transportOf(loot, loot.identity.token);
  const some = peoples.filter(({ name }) => SOME.has(name));
  return [
    ...peoples.map((route) => ({ at: "server, the agent's token", what: `${route.name} (${route.method} ${route.path})`, run: () => callRoute(withToken, route) })),
    ...some.map((route) => ({ at: "server, no token", what: route.name, run: () => callRoute(transportOf(loot, null), route) })),
    ...some.map((route) => ({ at: "server, a token that is made up", what: route.name, run: () => callRoute(transportOf(loot, madeUp), route) })),
    { at: "server, the used token to join", what: "join once more under another name", run: () => answerOf(() => createClient(transportOf(loot, null)).call(api.agents.join, { token: loot.joinToken.trim(), name: "db2" })) },
  ];
}

/** What the path names does not matter: rights are looked at first. */
function callRoute(transport: Transport, route: AnyRoute): Promise<Answer> {
  const parts = Object.fromEntries([...route.path.matchAll(/:([A-Za-z]+)/g)].map(([, name = ""]) => [name, newId()]));
  const { path, query, body } = fillRoute(route, parts as never);
  return answerOf(() => transport.request({ method: route.method, path, query, body, signal: undefined }));
}

/** A lease that the intruder got in the agent's name. */
export interface StolenLease {
  readonly client: Client;
  readonly session: string;
  readonly agent: string;
  readonly order: Order;
}

/** Takes the agent's place: the server sees a new process of it, and gives it the work that comes due, shipping of log. */
export async function stealLeases(loot: Loot, instances: readonly string[]): Promise<StolenLease[]> {
  const client = createClient(transportOf(loot, loot.identity.token));
  const { session, name: agent } = await client.call(api.agent.begin, {});
  const leases: StolenLease[] = [];
  for (let waitedMs = 0; leases.length < instances.length; waitedMs += POLL_MS) {
    if (waitedMs > LEASE_LIMIT_MS) throw new Error("no work came to the stolen identity");
    const { order } = await client.call(api.agent.claim, { agent, session, kinds: ["ship"] });
    if (order !== null) leases.push({ client, session, agent, order });
    else await delay(POLL_MS);
  }
  return leases;
}

/** Real grants for the two small objects of a piece of log of the lease's own. */
export async function askForGrants({ client, order }: StolenLease): Promise<{ segmentId: string; grants: readonly [OfferedGrant, OfferedGrant]; body: Buffer }> {
  const segmentId = newId();
  const body = Buffer.from(`rubbish of ${segmentId}`);
  const { attemptId, fencingToken } = order;
  const facts = { sizeBytes: body.byteLength, sha256: sha256Of(body) };
  const objects = [`${segmentId}.zst.age`, `${segmentId}.index.zst.age`].map((name) => ({ name, ...facts }));
  const { grants } = await client.call(api.agent.grantPut, { attemptId, fencingToken, withRequests: true, objects });
  const [first, second] = grants;
  if (first === undefined || second === undefined) throw new Error("the server gave no grants to who holds the lease");
  return { segmentId, grants: [first, second], body };
}

interface Rubbish {
  readonly segmentId: string;
  readonly body: Buffer;
  readonly logFile: string;
}

/** Both objects are stored, and the data's identity is right: the server must see by itself that these bytes of log are stored already. */
export function forgedPieceAttempt(lease: StolenLease, rubbish: Rubbish): Attempt {
  const what = `commit rubbish that it has stored in the place of ${rubbish.logFile}`;
  return { at: atLease(lease), what, run: () => answerOf(() => commitRubbish(lease, rubbish)) };
}

/** As an agent merges the tails of the file that is being written. What is encrypted is opaque to the server: it cannot know, and takes it. */
export function forgedMergeAttempt(lease: StolenLease, rubbish: Rubbish): Attempt {
  const what = `commit rubbish as the segment that replaces all tails of ${rubbish.logFile}, which is being written`;
  const run = async (): Promise<Answer> => {
    let isTaken = false;
    const answer = await answerOf(async () => {
      const committed = await commitRubbish(lease, rubbish);
      isTaken = true;
      return committed;
    });
    return isTaken ? { refused: false, taken: true, said: "200, the tails must outlive it" } : answer;
  };
  return { at: atLease(lease), what, run };
}

const atLease = ({ order }: StolenLease): string => `server, the stolen lease of ${order.instance.name}`;

function commitRubbish({ client, order }: StolenLease, { segmentId, body, logFile }: Rubbish): Promise<unknown> {
  const { attemptId, fencingToken, work } = order;
  const part = (name: string) => ({ name, sizeBytes: body.byteLength, sha256: sha256Of(body), plainBytes: 1 });
  const dataIdentity = work.kind === "ship" ? (work.dataIdentity ?? "") : "";
  const piece = { ...pieceOf(segmentId), file: logFile, object: part(`${segmentId}.zst.age`), index: part(`${segmentId}.index.zst.age`), dataIdentity };
  return client.call(api.agent.reportPiece, { attemptId, fencingToken, piece });
}

/** What a lease does not let its holder do. */
export function leaseAttempts(lease: StolenLease, plan: IntruderPlan): Attempt[] {
  const at = atLease(lease);
  const own = { attemptId: lease.order.attemptId, fencingToken: lease.order.fencingToken };
  const foreign = { attemptId: plan.backupId, fencingToken: lease.order.fencingToken };
  const stored = plan.stored.filter(({ repository }) => repository === lease.order.repository);
  const names = ["manifest.json", "holdfast.json", "000000.zst.age", "index.zst.age", "../../x", "/etc/cron.d/x", `${newId()}.json`, "a\0.zst.age", "x".repeat(300)];
  const put = (claim: typeof own, name: string) => () => answerOf(() => lease.client.call(api.agent.grantPut, { ...claim, objects: [{ name, sizeBytes: 1, sha256: sha256Of(Buffer.from("x")) }] }));
  const get = (keys: string[], toOpen: boolean) => () => answerOf(() => lease.client.call(api.agent.grantGet, { ...own, keys, toOpen }));
  return [
    ...names.map((name) => ({ at, what: `get a grant to write ${short(name)}`, run: put(own, name) })),
    { at, what: "get a grant below a committed backup", run: put(foreign, "000000.zst.age") },
    ...stored.slice(0, 3).map(({ key }) => ({ at, what: `get a grant to read ${short(key)}`, run: get([key], false) })),
    { at, what: "get a grant to open a pack at the keyholder", run: get(stored.slice(0, 1).map(({ key }) => key), true) },
    { at, what: "get a grant to read the mark", run: get(["holdfast.json"], false) },
    { at, what: "get a grant to read out of the repository", run: get(["../../../etc/shadow"], false) },
    ...reportAttempts(lease, { at, own, foreign }),
    { at, what: "claim a job of another pool", run: () => claimForeign(lease, plan.foreignJobId) },
  ];
}

interface ReportGround {
  readonly at: string;
  readonly own: { readonly attemptId: string; readonly fencingToken: number };
  readonly foreign: { readonly attemptId: string; readonly fencingToken: number };
}

function reportAttempts({ client, order }: StolenLease, { at, own, foreign }: ReportGround): Attempt[] {
  const backup = madeUpBackup();
  const failed = { status: "failed" as const, error: { code: "INTERNAL", message: "", hint: "", details: {} } };
  const ids = [newId(), newId()] as const;
  const piece = (segmentId: string, dataIdentity: string) => ({ ...pieceOf(segmentId), dataIdentity });
  return [
    { at, what: "commit another manifest for a committed backup", run: () => answerOf(() => client.call(api.agent.finish, { ...foreign, outcome: { status: "done", report: backup } })) },
    { at, what: "make a committed backup a failed one", run: () => answerOf(() => client.call(api.agent.finish, { ...foreign, outcome: failed })) },
    { at, what: "renew a lease that is not its own", run: () => answerOf(() => client.call(api.agent.heartbeat, { ...foreign, progress: null })) },
    { at, what: "commit a piece of log that was never stored", run: () => answerOf(() => client.call(api.agent.reportPiece, { ...own, piece: piece(ids[0], "x") })) },
    { at, what: "commit it as another attempt", run: () => answerOf(() => client.call(api.agent.reportPiece, { ...foreign, piece: piece(ids[1], order.instance.id) })) },
    { at, what: "use an old fencing token", run: () => answerOf(() => client.call(api.agent.heartbeat, { ...own, fencingToken: own.fencingToken - 1, progress: null })) },
    { at, what: "use the fencing token to come", run: () => answerOf(() => client.call(api.agent.heartbeat, { ...own, fencingToken: own.fencingToken + 1, progress: null })) },
  ];
}

/** Ends the lease, whatever comes of it. */
export function endingAttempts(lease: StolenLease): Attempt[] {
  const { client, order } = lease;
  const { attemptId, fencingToken } = order;
  const finish = () => answerOf(() => client.call(api.agent.finish, { attemptId, fencingToken, outcome: { status: "done", report: madeUpBackup() } }));
  return [{ at: atLease(lease), what: "report a backup where log was to be shipped", run: finish }];
}

function madeUpBackup() {
  const part = (name: string) => ({ name, sizeBytes: 1, sha256: "0".repeat(64), plainBytes: 1 });
  const position = { file: "mariadb-bin.000001", position: 4, gtid: "" };
  const facts = { flavour: "MariaDB", serverVersion: "10.11.0", toolVersion: "10.11.0", dataIdentity: "x", fromLsn: "0", toLsn: "1", logPosition: position, recordedPosition: null, fileCount: 1 };
  return { kind: "backup" as const, packs: [part("000000.zst.age")], index: part("index.zst.age"), stream: { format: "mbstream", sizeBytes: 1 }, facts, phases: [] };
}

function pieceOf(segmentId: string) {
  const part = (name: string) => ({ name, sizeBytes: 1, sha256: "0".repeat(64), plainBytes: 1 });
  return {
    segmentId, kind: "segment" as const, file: "mariadb-bin.000001", startPosition: 0, endPosition: 1_000_000_000, closesFile: true, plainSha256: "0".repeat(64), replaces: [],
    object: part(`${segmentId}.zst.age`), index: part(`${segmentId}.index.zst.age`), groupCount: 0, firstStampS: null, lastStampS: null, gtidBefore: "", gtidAfter: "",
  };
}

async function claimForeign({ client, session, agent }: StolenLease, jobId: string): Promise<Answer> {
  const { order } = await client.call(api.agent.claim, { agent, session, jobId });
  return { refused: order === null, said: order === null ? "200, no work given" : `the order of ${order.instance.name}` };
}

/** A stored piece of log, by its own name and with a grant that the server signs: only the place itself can say no. */
export async function grantForStoredPiece({ client, order }: StolenLease, stored: readonly StoredObject[]): Promise<{ grant: OfferedGrant; body: Buffer } | null> {
  const piece = stored.find(({ repository, key }) => repository === order.repository && key.startsWith(`${order.instance.id}/logs/`) && key.endsWith(".zst.age"));
  if (piece === undefined) return null;
  const body = Buffer.from("rubbish in the place of log");
  const { attemptId, fencingToken } = order;
  const { grants } = await client.call(api.agent.grantPut, { attemptId, fencingToken, withRequests: true, objects: [{ name: piece.key.slice(piece.key.lastIndexOf("/") + 1), sizeBytes: body.byteLength, sha256: sha256Of(body) }] });
  const [grant] = grants;
  return grant === undefined ? null : { grant, body };
}
