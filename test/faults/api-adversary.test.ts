import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exchange } from "../../src/lib/exchange.ts";
import { idFactory } from "../../src/lib/ids.ts";
import { makeToken } from "../../src/lib/token-text.ts";
import { api } from "../../src/model/api/index.ts";
import type { Route } from "../../src/model/api/route.ts";
import type { Order } from "../../src/model/job.ts";
import { mayCall, tokenRoleSchema } from "../../src/model/role.ts";
import { allRoutes } from "../../src/model/openapi.ts";
import { type ApiGround, makeApiGround } from "../api/ground.ts";
import { until } from "../fixtures/log-collector.ts";

/** What comes back, and the number under which the server's log must have it. */
interface Tried {
  readonly number: number;
  readonly what: string;
  readonly status: number;
  readonly code: string;
}

type AnyRoute = Route<unknown, unknown>;
const guarded: readonly AnyRoute[] = allRoutes.filter(({ role }) => role !== "anyone");
const HASH = "0".repeat(64);
const newId = idFactory();
const tried: Tried[] = [];
let sent = 0;
let attacks = 0;

let ground: ApiGround;
let order: Order;
let session: string;
let usedToJoin: string;
let before: unknown;

/** One request over TLS from an address of its own, so that not the count of strangers from one address is what refuses it. */
async function ask(route: AnyRoute, what: string, { authorization, body = {}, ids = {} }: { authorization?: string; body?: object; ids?: Readonly<Record<string, string>> }): Promise<Tried & { text: string }> {
  sent += 1;
  const path = route.path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(ids[name] ?? newId()));
  const hasBody = route.method !== "GET" && route.method !== "DELETE";
  const headers = { ...(authorization === undefined ? {} : { authorization }), ...(hasBody ? { "content-type": "application/json" } : {}) };
  const localAddress = `127.0.${String(1 + Math.floor(sent / 200))}.${String(1 + (sent % 200))}`;
  const call = request(`${ground.url}${path}?try=${String(sent)}`, { method: route.method, headers, localAddress, rejectUnauthorized: false, agent: false });
  const { status, text } = await exchange(call, hasBody ? JSON.stringify(body) : undefined);
  const { error } = JSON.parse(text) as { error?: { code: string } };
  const one = { number: sent, what: `${what}: ${route.name}`, status, code: error?.code ?? "" };
  // All strangers together have their measure, too: this is about each of them.
  if (one.code === "TOO_MANY_REQUESTS") {
    await until("strangers are heard again", async () => (await exchange(request(`${ground.url}/openapi.json`, { rejectUnauthorized: false, agent: false }), undefined)).status === 200);
    return ask(route, what, { ...(authorization === undefined ? {} : { authorization }), body, ids });
  }
  return { ...one, text };
}

async function expectRefused(route: AnyRoute, what: string, request: Parameters<typeof ask>[2], codes: readonly string[]): Promise<void> {
  attacks += 1;
  const { text, ...one } = await ask(route, what, request);
  expect(codes, `${one.what} was answered with ${String(one.status)}: ${text.slice(0, 300)}`).toContain(one.code);
  tried.push(one);
}

/** Everything that a request could have changed. */
async function everything(): Promise<unknown> {
  const { client } = ground;
  const { tokens } = await client.call(api.tokens.list, {});
  const { agents } = await client.call(api.agents.list, {});
  const { jobs } = await client.call(api.jobs.list, {});
  return {
    exported: await client.call(api.system.export, {}),
    tokens,
    agents: agents.map(({ lastSeenAt: _seen, ...agent }) => agent),
    jobs: jobs.filter(({ kind }) => kind === "backup").map(({ jobId, state, cancelRequested, attempts }) => ({ jobId, state, cancelRequested, attempts: attempts.map(({ attemptId, state: at }) => [attemptId, at]) })),
    frozen: (await client.call(api.system.status, {})).frozen,
  };
}

/** What an agent would send about another's attempt; a new route of attempts needs its line here. */
const ABOUT_ATTEMPT: Readonly<Record<string, () => object>> = {
  "agent.heartbeat": () => ({ progress: null }),
  "agent.grantPut": () => ({ objects: [{ name: "000001.zst.age", sizeBytes: 1, sha256: HASH }] }),
  "agent.grantGet": () => ({ keys: ["k"], toOpen: true }),
  "agent.reportPiece": () => ({ piece: piece() }),
  "agent.reportRead": () => ({ objects: [{ key: "k", owner: "o", readBytes: 1, found: null }] }),
  "agent.finish": () => ({ outcome: { status: "cancelled" } }),
};

function piece(): object {
  const part = { name: "p", sizeBytes: 1, sha256: HASH, plainBytes: 1 };
  const place = { file: "bin.000001", startPosition: 0, endPosition: 1, closesFile: false };
  return { segmentId: newId(), kind: "tail", ...place, plainSha256: HASH, object: part, index: part, groupCount: 0, firstStampS: null, lastStampS: null, gtidBefore: "", gtidAfter: "", replaces: [], dataIdentity: "x" };
}

beforeAll(async () => {
  ground = await makeApiGround({ withTls: true });
  const asDb1 = { authorization: `Bearer ${ground.agentToken}` };
  const answer = async (route: AnyRoute, body: object): Promise<Record<string, unknown>> => JSON.parse((await ask(route, "db1", { ...asDb1, body })).text) as Record<string, unknown>;
  session = (await answer(api.agent.begin, {}))["session"] as string;
  const { job } = await ground.client.call(api.backups.run, { instance: "shop", kind: "full" });
  order = (await answer(api.agent.claim, { agent: "db1", session, jobId: job.jobId }))["order"] as Order;
  const { text } = await ground.client.call(api.agents.invite, { pools: ["local"], labels: {}, expiresInS: 600 });
  await ground.client.call(api.agents.join, { token: text, name: "db3" });
  usedToJoin = text;
  before = await everything();
});
afterAll(async () => {
  await ground.stop();
});

describe("somebody who should not, on every route of the API", () => {
  it("is refused without a token and with every wrong one", async () => {
    const { tokens, client, agentToken } = ground;
    const ended = await client.call(api.tokens.create, { name: "ended", role: "admin" });
    await client.call(api.tokens.revoke, { tokenId: ended.token.tokenId });
    const invitation = await client.call(api.agents.invite, { pools: ["local"], labels: {}, expiresInS: 600 });
    before = await everything();
    const idOf = (text: string): string => text.slice(4, 30);
    const wrong: [string, string | undefined][] = [
      ["no token", undefined],
      ["no token's text", "Bearer letmein"],
      ["a token as a password", `Basic ${Buffer.from(`admin:${tokens.admin}`).toString("base64")}`],
      ["a token nobody made", `Bearer ${makeToken("access", newId()).text}`],
      ["another secret for the admin's id", `Bearer ${makeToken("access", idOf(tokens.admin)).text}`],
      ["another secret for the agent's id", `Bearer ${makeToken("agent", idOf(agentToken)).text}`],
      ["an admin's token called an agent's", `Bearer ${tokens.admin.replace("hfa_", "hfw_")}`],
      ["a revoked token", `Bearer ${ended.text}`],
      ["a token to join", `Bearer ${invitation.text}`],
    ];
    for (const route of guarded) for (const [what, authorization] of wrong) await expectRefused(route, what, authorization === undefined ? {} : { authorization }, ["UNAUTHENTICATED"]);
  });

  it("is refused with a role that is too small or of another kind", async () => {
    for (const route of guarded) {
      for (const role of tokenRoleSchema.options) {
        if (!mayCall(role, route.role)) await expectRefused(route, `the role ${role}`, { authorization: `Bearer ${ground.tokens[role]}` }, ["FORBIDDEN"]);
      }
      if (!mayCall("agent", route.role)) await expectRefused(route, "an agent", { authorization: `Bearer ${ground.agentToken}` }, ["FORBIDDEN"]);
    }
  });

  it("is refused with another agent's attempt, session and keys, even with the right numbers", async () => {
    const { attemptId, fencingToken } = order;
    const authorization = `Bearer ${ground.otherAgentToken}`;
    const ofAttempts = guarded.filter(({ path }) => path.includes(":attemptId"));
    expect(ofAttempts.map(({ name }) => name).toSorted()).toEqual(Object.keys(ABOUT_ATTEMPT).toSorted());
    for (const route of ofAttempts) await expectRefused(route, "another's attempt", { authorization, ids: { attemptId }, body: { fencingToken, ...ABOUT_ATTEMPT[route.name]?.() } }, ["FORBIDDEN"]);
    await expectRefused(api.agent.claim, "another's session", { authorization, body: { agent: "db1", session } }, ["AGENT_REPLACED"]);
    await expectRefused(api.agent.knocks, "another's session", { authorization, body: { session, waitMs: 0 } }, ["AGENT_REPLACED"]);
    const grant = { kind: "holdfast-grant-v1", body: { grantId: newId(), operation: "get", repository: "main", key: "k", attemptId, sizeBytes: 1, sha256: HASH, expiresAt: "2100-01-01T00:00:00.000Z" }, signature: { key: "k", value: "v" } };
    await expectRefused(api.agent.openKeys, "another's grant", { authorization, body: { requests: [{ grant, header: "" }] } }, ["FORBIDDEN"]);
  });

  it("is refused by the routes that ask for no token: with no token to join, with a wrong one, and with one a second time", async () => {
    const open = allRoutes.filter(({ role }) => role === "anyone");
    expect(open.map(({ name }) => name)).toEqual(["agents.join"]);
    for (const token of ["x", makeToken("join", newId()).text, ground.agentToken, ground.tokens.admin, usedToJoin]) {
      await expectRefused(api.agents.join, "no token to join", { body: { token, name: "db4" } }, ["UNAUTHENTICATED"]);
    }
  });

  it("has changed nothing, and stands in the log with each try", async () => {
    expect(tried.length).toBe(attacks);
    expect(await everything()).toEqual(before);
    const lines = async (): Promise<string[]> => (await readFile(ground.logPath, "utf8")).split("\n").filter((line) => line.includes("request refused"));
    await until("the last refusal is in the log", async () => (await lines()).some((line) => line.includes(`?try=${String(tried.at(-1)?.number)}"`)));
    const logged = new Map((await lines()).map((line) => [Number(/\?try=(\d+)"/.exec(line)?.[1]), /"code":"(\w+)"/.exec(line)?.[1]]));
    expect(tried.filter(({ number, code }) => logged.get(number) !== code)).toEqual([]);
    // The one whose work it is goes on as if nothing had been.
    const goesOn = await ask(api.agent.heartbeat, "db1", { authorization: `Bearer ${ground.agentToken}`, ids: { attemptId: order.attemptId }, body: { fencingToken: order.fencingToken, progress: null } });
    expect([goesOn.status, goesOn.text]).toEqual([200, expect.stringContaining('"cancel":false')]);
    process.stdout.write(`API adversary: ${String(tried.length)} tried on ${String(allRoutes.length)} routes, all refused, all in the log, nothing changed\n`);
  });
});
