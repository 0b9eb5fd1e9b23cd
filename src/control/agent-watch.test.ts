import { afterEach, beforeEach, expect, it } from "vitest";
import { listFindings } from "../catalog/findings.ts";
import { openWorld, submit, type World } from "./control.fixture.ts";
import { agentWatch } from "./agent-watch.ts";
import { drainAgent, inviteAgent, joinAgent, requireAgent, revokeAgent } from "./agents.ts";
import { claim } from "./dispatch.ts";
import { readToken } from "../lib/token-text.ts";

const MINUTE_MS = 60_000;
let world: World;
let pass: () => Promise<void>;

const findings = async (): Promise<string[]> => (await listFindings(world.ports.catalog.db, { all: false })).map(({ kind, message }) => `${kind}: ${message}`);
const watch = (ownPools: readonly string[] = []): (() => Promise<void>) => agentWatch(world.ports, { agentSilentMs: 10 * MINUTE_MS, ownPools });

/** An agent of the pool that the instance of this world is in, and how it calls. */
async function join(name: string): Promise<() => Promise<unknown>> {
  const { text } = await inviteAgent(world.ports, { name, pools: ["local"], labels: {}, expiresInS: 600 }, "owner");
  const joined = await joinAgent(world.ports, { token: text, name, reservedName: null });
  return () => requireAgent(world.ports, readToken(joined.text)!);
}

/** Minutes go by, one look in each. */
async function wait(minutes: number, meanwhile: () => Promise<unknown> = async () => undefined): Promise<void> {
  for (let minute = 0; minute < minutes; minute += 1) {
    world.pass(MINUTE_MS);
    await meanwhile();
    await pass();
  }
}

beforeEach(async () => {
  world = await openWorld();
  pass = watch();
});
afterEach(() => world.close());

it("an agent that falls silent opens a finding, and its next call closes it", async () => {
  const call = await join("db1");
  await call();
  await pass();
  await wait(30, call);
  expect(await findings()).toEqual([]);
  await wait(10);
  expect(await findings()).toEqual([]);
  await wait(1);
  expect(await findings()).toEqual([expect.stringMatching(/^agent-silent: The agent db1 \(pools local\) has not called since 2026-05-01T00:30:00.000Z/)]);
  // A server that was started anew has not heard anything either.
  pass = watch();
  await wait(3);
  expect(await findings()).toHaveLength(1);
  await wait(1, call);
  expect(await findings()).toEqual([]);
});

it("a clock that jumps, and a server that was away, make nobody silent", async () => {
  const call = await join("db1");
  await call();
  await pass();
  const clock = { nowMs: () => Date.parse("2031-01-01T00:00:00Z"), monotonicMs: () => 2_000 };
  pass = agentWatch({ ...world.ports, clock }, { agentSilentMs: 10 * MINUTE_MS, ownPools: [] });
  await pass();
  await pass();
  expect(await findings()).toEqual([]);
});

it("a clock that was set back keeps nobody from being seen", async () => {
  const call = await join("db1");
  await call();
  world.ports.clock.nowMs = () => Date.parse("2026-04-30T00:00:00Z");
  await pass();
  await call();
  await wait(12);
  expect((await findings())[0]).toContain("has not called since 2026-04-30T00:00:00.000Z");
});

it("one that never called is silent too; one that is drained or revoked is not missed", async () => {
  await join("db1");
  await join("db2");
  await join("db3");
  await drainAgent(world.ports, "db2", true);
  await wait(12);
  expect(await findings()).toHaveLength(2);
  expect((await findings()).join()).toContain("has never called since it joined");
  await revokeAgent(world.dispatcher, "db1", "owner");
  await drainAgent(world.ports, "db3", true);
  await pass();
  expect(await findings()).toEqual([]);
});

it("a job whose pool no agent serves opens a finding that says which and what to do, until one works again", async () => {
  await pass();
  expect(await findings()).toEqual([]);
  const { jobId } = await submit(world, { kind: "probe" });
  await pass();
  const [finding] = await listFindings(world.ports.catalog.db, { all: false });
  expect(finding).toMatchObject({ kind: "pool-unserved", subject: "pool:local", severity: "critical", message: "1 due job waits for an agent of pool local, and no agent has joined it.", remedy: expect.stringContaining("holdfast agent invite --pools local") as string });
  const call = await join("db1");
  await call();
  await pass();
  expect(await findings()).toEqual([]);
  await wait(11);
  expect((await findings()).find((text) => text.startsWith("pool-unserved"))).toBe("pool-unserved: 1 due job waits for an agent of pool local, and none of its agents works: db1 (silent).");
  await call();
  await pass();
  expect(await findings()).toEqual([]);
  await drainAgent(world.ports, "db1", true);
  await pass();
  expect(await findings()).toEqual([expect.stringContaining("db1 (drained)")]);
  // Who works on a job does not wait for an agent.
  await claim(world.dispatcher, { agent: "a", jobId });
  await pass();
  expect(await findings()).toEqual([]);
});

it("the pool of the agent inside this process is served", async () => {
  await submit(world, { kind: "probe" });
  pass = watch(["local"]);
  await pass();
  expect(await findings()).toEqual([]);
});
