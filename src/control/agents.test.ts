import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listFindings } from "../catalog/findings.ts";
import { insertInstance } from "../catalog/instances.ts";
import { findJob } from "../catalog/jobs.ts";
import { isoTime } from "../lib/clock.ts";
import { makeToken, readToken, type TokenText } from "../lib/token-text.ts";
import { beginSession, inviteAgent, joinAgent, requireAgent, requireSession, revokeAgent, rotateAgent } from "./agents.ts";
import { openWorld, submit, type World } from "./control.fixture.ts";
import { claim, submitJob } from "./dispatch.ts";
import { waitForKnocks } from "./knocks.ts";
import { requireLease } from "./leases.ts";

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const invite = (changes: Partial<Parameters<typeof inviteAgent>[1]> = {}): Promise<{ text: string; expiresAt: string }> =>
  inviteAgent(world.ports, { pools: ["local"], labels: { rack: "7" }, expiresInS: 60, ...changes }, "test");
const joinAs = (name: string, token: string, reservedName: string | null = null) => joinAgent(world.ports, { token, name, reservedName });
const joined = async (name: string, pools = ["local"]): Promise<{ agentId: string; token: TokenText; session: string }> => {
  const { agent, text } = await joinAs(name, (await invite({ pools })).text);
  return { agentId: agent.agentId, token: readToken(text)!, session: (await beginSession(world.dispatcher, agent.agentId)).session };
};
const claimAs = (agent: string, { agentId, session }: { agentId: string; session: string }, pools = ["local"]) => claim(world.dispatcher, { agent, pools, identity: { agentId, session } });
const findings = async (): Promise<string[]> => (await listFindings(world.ports.catalog.db, { all: false })).map(({ kind }) => kind);

describe("joining", () => {
  it("takes one token and gives one identity, however many come with it at once", async () => {
    const { text } = await invite();
    const ends = await Promise.allSettled(["a", "b", "c", "d"].map((name) => joinAs(name, text)));
    expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const end of ends) if (end.status === "rejected") expect(end.reason).toMatchObject({ code: "UNAUTHENTICATED", message: expect.stringContaining("it opens once") as string });
  });

  it("is refused too late, under another name than the token's, with a secret that is not its own, and under a name that is taken", async () => {
    const late = await invite();
    world.pass(60_000);
    await expect(joinAs("a", late.text)).rejects.toMatchObject({ code: "UNAUTHENTICATED", message: expect.stringContaining("expired") as string });
    const { text } = await invite({ name: "db1" });
    await expect(joinAs("db2", text)).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(joinAs("db1", makeToken("join", readToken(text)!.id).text)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    await expect(joinAs("db1", text.replace("hfj_", "hfa_"))).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    await expect(joinAs("db1", text, "db1")).rejects.toMatchObject({ code: "CONFLICT" });
    // None of these has used it up.
    expect((await joinAs("db1", text)).agent).toMatchObject({ name: "db1", pools: ["local"], labels: { rack: "7" } });
    const other = await invite();
    await expect(joinAs("db1", other.text)).rejects.toMatchObject({ code: "CONFLICT" });
    expect((await joinAs("db2", other.text)).agent.name).toBe("db2");
  });
});

describe("an identity", () => {
  it("ends with its revocation: its token, its attempts and its claims; the name is free again", async () => {
    const agent = await joined("db1");
    const job = await submit(world, { kind: "probe" });
    const order = (await claimAs("db1", agent))!;
    expect((await requireAgent(world.ports, agent.token)).name).toBe("db1");
    const { endedAttempts } = await revokeAgent(world.dispatcher, "db1", "test");
    expect(endedAttempts).toEqual([order.attemptId]);
    await expect(requireAgent(world.ports, agent.token)).rejects.toMatchObject({ code: "UNAUTHENTICATED", message: expect.stringContaining("revoked") as string });
    await expect(requireLease(world.ports.catalog.db, order)).rejects.toMatchObject({ code: "LEASE_LOST" });
    await expect(claimAs("db1", agent)).rejects.toMatchObject({ code: "AGENT_REPLACED" });
    expect(await findJob(world.ports.catalog.db, job.jobId)).toMatchObject({ state: "due", attempts: [{ state: "lost" }] });
    expect((await joined("db1")).agentId).not.toBe(agent.agentId);
  });

  it("has one process: a later one gives up what the earlier one did, and the earlier one is refused and named", async () => {
    const first = await joined("db1");
    await submit(world, { kind: "probe" });
    const order = (await claimAs("db1", first))!;
    const { session } = await beginSession(world.dispatcher, first.agentId);
    await expect(world.dispatcher.leases.heartbeat(order, null)).rejects.toMatchObject({ code: "LEASE_LOST" });
    await expect(claimAs("db1", first)).rejects.toMatchObject({ code: "AGENT_REPLACED" });
    await expect(requireSession(world.ports, first.agentId, first.session)).rejects.toMatchObject({ code: "AGENT_REPLACED" });
    expect(await findings()).toContain("agent-replaced");
    await requireSession(world.ports, first.agentId, session);
    await beginSession(world.dispatcher, first.agentId);
    expect(await findings()).not.toContain("agent-replaced");
  });

  it("is rotated without a moment in which no token opens, and the old one ends with the first use of the new", async () => {
    const { agentId, token } = await joined("db1");
    const lost = await rotateAgent(world.ports, agentId);
    const { text } = await rotateAgent(world.ports, agentId);
    await requireAgent(world.ports, token);
    await expect(requireAgent(world.ports, readToken(lost.text)!)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    await requireAgent(world.ports, readToken(text)!);
    await expect(requireAgent(world.ports, token)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    await requireAgent(world.ports, readToken(text)!);
  });
});

describe("work", () => {
  it("goes to agents of the instance's pool and to no other, and so do the knocks", async () => {
    const { catalog, newId } = world.ports;
    const berlin = newId();
    await insertInstance(catalog.db, { id: berlin, name: "far", engine: "mysql", policy: "daily", region: "local", pool: "berlin", timeZone: "UTC", owner: null, connection: {}, createdAt: isoTime(world.ports.clock.nowMs()), removedAt: null });
    const pools: string[] = [];
    Object.assign(world.ports.queue, { knock: async (pool: string) => void pools.push(pool) });
    await submitJob(world.ports, { params: { kind: "probe" }, instanceId: berlin, policy: "daily", subject: "probe" });
    const [near, far] = [await joined("near"), await joined("far", ["berlin", "paris"])];
    expect(await claimAs("near", near)).toBeNull();
    expect((await claimAs("far", far, ["berlin", "paris"]))?.instance.name).toBe("far");
    expect(pools).toEqual(["berlin"]);
  });

  it("of another agent is out of reach, also for who knows its numbers", async () => {
    const agent = await joined("db1");
    await submit(world, { kind: "probe" });
    const { attemptId, fencingToken } = (await claimAs("db1", agent))!;
    const stolen = { attemptId, fencingToken, agent: "db2" };
    const { db } = world.ports.catalog;
    await expect(requireLease(db, stolen)).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(world.dispatcher.leases.heartbeat(stolen, null)).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(world.grants.get(stolen, ["x"])).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(world.grants.put(stolen, [])).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect((await requireLease(db, { attemptId, fencingToken, agent: "db1" })).id).toBe(attemptId);
  });
});

describe("waiting for knocks", () => {
  it("ends with the first one, or empty in time", async () => {
    const { embeddedQueue } = await import("../queue/embedded.ts");
    const queue = embeddedQueue();
    const { signal } = new AbortController();
    expect(await waitForKnocks({ queue }, ["a", "b"], { waitMs: 1, signal })).toEqual([]);
    const waiting = waitForKnocks({ queue }, ["a", "b"], { waitMs: 60_000, signal });
    await queue.knock("c", "0");
    await queue.knock("b", "1");
    await queue.knock("a", "2");
    expect((await waiting).toSorted()).toEqual(["1", "2"]);
  });
});
