import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { drainAgent, inviteAgent, joinAgent } from "../../control/agents.ts";
import { openWorld, submit, type World } from "../../control/control.fixture.ts";
import { silentLog } from "../../lib/log.ts";
import type { Order } from "../../model/job.ts";
import { buildApp } from "../app.ts";
import type { ServerContext } from "../context.ts";
import { tokenDoor } from "../token-door.ts";
import { agentRoutes } from "./agent.ts";

let world: World;
let app: ReturnType<typeof buildApp>;
let opened: number;

beforeEach(async () => {
  world = await openWorld();
  opened = 0;
  const keyholder = {
    open: (requests: readonly unknown[]) => {
      opened += requests.length;
      return Promise.resolve(requests.map(() => new Uint8Array(16)));
    },
  };
  const context = { dispatcher: world.dispatcher, grants: world.grants, keyholder, ownPools: null } as unknown as ServerContext;
  app = buildApp(agentRoutes, context, { log: silentLog, door: tokenDoor(world.ports, { requestsPerS: 1_000 }) });
});
afterEach(async () => {
  await app.close();
  await world.close();
});

async function joined(name: string): Promise<{ text: string; session: string }> {
  const invitation = await inviteAgent(world.ports, { pools: ["local"], labels: {}, expiresInS: 60 }, "test");
  const { text } = await joinAgent(world.ports, { token: invitation.text, name, reservedName: null });
  return { text, session: (await post(text, "begin", {}))["session"] as string };
}

async function post(text: string, path: string, payload: object): Promise<Record<string, unknown>> {
  const answer = await app.inject({ method: "POST", url: `/v1/${path === "keys/open" ? path : `agent/${path}`}`, headers: { authorization: `Bearer ${text}` }, payload });
  return answer.json();
}

const claimAs = async ({ text, session }: { text: string; session: string }): Promise<Order | null> => (await post(text, "claim", { agent: "somebody else", session }))["order"] as Order | null;
const heartbeat = (text: string, { attemptId, fencingToken }: Order): Promise<Record<string, unknown>> => post(text, `attempts/${attemptId}/heartbeat`, { fencingToken, progress: null });

describe("an agent over the network", () => {
  it("claims under its own name, whatever it says", async () => {
    const db1 = await joined("db1");
    await submit(world, { kind: "probe" });
    const order = await claimAs(db1);
    const attempt = await world.ports.catalog.db.selectFrom("attempt").select("agent").where("id", "=", order?.attemptId ?? "").executeTakeFirst();
    expect(attempt).toEqual({ agent: "db1" });
  });

  it("gets no new work while it is drained, is asked to let go of shipping, and ends everything else", async () => {
    const db1 = await joined("db1");
    await submit(world, { kind: "probe" });
    await submit(world, { kind: "ship" });
    const orders = [await claimAs(db1), await claimAs(db1)];
    await submit(world, { kind: "probe" });
    await drainAgent(world.ports, "db1", true);
    expect(await claimAs(db1)).toBeNull();
    for (const order of orders) expect(await heartbeat(db1.text, order!), order?.work.kind).toMatchObject({ cancel: order?.work.kind === "ship" });
    await drainAgent(world.ports, "db1", false);
    expect((await claimAs(db1))?.work.kind).toBe("probe");
  });

  it("gets no keys by a grant of another's attempt, nor anything else of it", async () => {
    const [db1, db2] = [await joined("db1"), await joined("db2")];
    await submit(world, { kind: "probe" });
    const order = (await claimAs(db1))!;
    const { attemptId } = order;
    const body = { grantId: attemptId, operation: "get" as const, repository: "main", key: "k", attemptId, sizeBytes: 1, sha256: "0".repeat(64), expiresAt: "2030-01-01T00:00:00.000Z" };
    const request = { requests: [{ grant: world.ports.signer.sign("holdfast-grant-v1", body), header: "" }] };
    expect(await post(db2.text, "keys/open", request)).toMatchObject({ error: { code: "FORBIDDEN" } });
    expect(await heartbeat(db2.text, order)).toMatchObject({ error: { code: "FORBIDDEN" } });
    expect(opened).toBe(0);
    expect(await post(db1.text, "keys/open", request)).toHaveProperty("fileKeys");
    expect(opened).toBe(1);
  });
});
