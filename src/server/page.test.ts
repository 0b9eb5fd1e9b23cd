import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openFinding } from "../catalog/findings.ts";
import { insertInstance } from "../catalog/instances.ts";
import { type Client, createClient, inMemoryTransport } from "../client/index.ts";
import { inviteAgent, joinAgent } from "../control/agents.ts";
import { openWorld, storeBackup, submit, type World } from "../control/control.fixture.ts";
import { createToken } from "../control/tokens.ts";
import { silentLog } from "../lib/log.ts";
import { api } from "../model/api/index.ts";
import { cursorAfter, type PageAsked } from "../model/api/page.ts";
import type { Route } from "../model/api/route.ts";
import { allRoutes } from "../model/openapi.ts";
import { buildApp } from "./app.ts";
import type { ServerContext } from "./context.ts";
import { routes } from "./routes/index.ts";

let world: World;
let client: Client;
let close: () => PromiseLike<unknown>;

beforeEach(async () => {
  world = await openWorld();
  const app = buildApp(routes, { dispatcher: world.dispatcher, grants: world.grants, ownPools: null } as unknown as ServerContext, { log: silentLog });
  client = createClient(inMemoryTransport(app));
  close = () => app.close();
});
afterEach(async () => {
  await close();
  await world.close();
});

interface Listed {
  readonly route: Route<PageAsked, { next: string | null }>;
  /** Adds one; gives nothing back, the list does. */
  add(number: number): Promise<unknown>;
  keysIn(answer: Record<string, unknown>): string[];
}

const at = "2026-05-01T00:00:00.000Z";
const keysOf = (noun: string, key: string) => (answer: Record<string, unknown>) => (answer[noun] as Record<string, string>[]).map((entry) => entry[key] ?? "");

const listed = <Input extends PageAsked, Output extends { next: string | null }>(route: Route<Input, Output>, rest: Omit<Listed, "route">): Listed => ({ route: route, ...rest });

const lists = (): Listed[] => {
  const { db } = world.ports.catalog;
  return [
    listed(api.tokens.list, { add: (number) => createToken(world.ports, { name: `t${String(number)}`, role: "viewer", by: "test" }), keysIn: keysOf("tokens", "tokenId") }),
    listed(api.jobs.list, { add: () => submit(world, { kind: "probe" }), keysIn: keysOf("jobs", "jobId") }),
    listed(api.system.findings, {
      add: (number) => openFinding(db, { findingId: world.ports.newId(), kind: "test", subject: `x:${String(number)}`, severity: "warning", message: "m", remedy: "r", openedAt: at }),
      keysIn: keysOf("findings", "findingId"),
    }),
    listed(api.agents.list, {
      add: async (number) => {
        const { text } = await inviteAgent(world.ports, { pools: ["p"], labels: {}, expiresInS: 60 }, "test");
        return joinAgent(world.ports, { token: text, name: `a${String(number)}`, reservedName: null });
      },
      keysIn: keysOf("agents", "agentId"),
    }),
    listed(api.instances.list, {
      add: (number) => insertInstance(db, { id: world.ports.newId(), name: `i${String(number)}`, engine: "mysql", policy: "daily", region: "local", timeZone: "UTC", owner: null, connection: {}, createdAt: at, removedAt: null }),
      keysIn: keysOf("instances", "name"),
    }),
    listed(api.backups.list, {
      add: async () => {
        const { job } = await client.call(api.backups.run, { instance: "shop", kind: "full" });
        const { order } = await client.call(api.agent.claim, { agent: "a", jobId: job.jobId });
        const { attemptId, fencingToken } = order!;
        await client.call(api.agent.finish, { attemptId, fencingToken, outcome: { status: "done", report: await storeBackup(world, order!) } });
      },
      keysIn: keysOf("backups", "backupId"),
    }),
  ];
};

describe("a list", () => {
  test("is every route that gives entries, and each takes and gives a page in the same form", () => {
    const given = (route: (typeof allRoutes)[number]): string[] => Object.keys((route.output as unknown as { shape?: object }).shape ?? {});
    const paged = allRoutes.filter((route) => given(route).includes("next"));
    expect(paged.map(({ name }) => name).toSorted()).toEqual(lists().map(({ route }) => route.name).toSorted());
    for (const route of paged) expect(Object.keys((route.input as unknown as { shape: object }).shape), route.name).toEqual(expect.arrayContaining(["limit", "cursor"]));
    expect(allRoutes.filter(({ name, method }) => method === "GET" && name.endsWith(".list")).map(({ name }) => name).filter((name) => !paged.some((route) => route.name === name))).toEqual([]);
  });

  test("gives each entry once, page by page, whatever is added meanwhile", async () => {
    for (const { route, add, keysIn } of lists()) {
      for (let number = 0; number < 5; number += 1) await add(number);
      const all = keysIn(await client.call(route, {}));
      expect(all.length, route.name).toBeGreaterThanOrEqual(5);
      expect((await client.call(route, { limit: all.length })).next, route.name).toBeNull();
      const seen: string[] = [];
      let number = 5;
      for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
        const answer = await client.call(route, { limit: 2, ...(cursor === undefined ? {} : { cursor }) });
        const keys = keysIn(answer);
        expect(keys.length, route.name).toBeLessThanOrEqual(2);
        seen.push(...keys);
        cursor = answer.next ?? undefined;
        // Names are in order: what is added before the place that was reached is not seen, what is added behind it is.
        if (number < 8) await add(number++);
      }
      expect(new Set(seen).size, route.name).toBe(seen.length);
      expect(seen.filter((key) => all.includes(key)), route.name).toEqual(all);
    }
  });

  test("refuses a cursor that is another's or nobody's, and a limit that is no number", async () => {
    for (const cursor of ["x", "", cursorAfter("backups.list", "x"), Buffer.from('["jobs.list"]').toString("base64url")]) {
      await expect(client.call(api.jobs.list, { cursor }), cursor).rejects.toMatchObject({ code: "INPUT_INVALID", message: expect.stringContaining("was not given by jobs.list") as string });
    }
    for (const limit of ["0", "1001", "1e2", " 5", "", "-1", "1.5"]) {
      await expect(client.call(api.jobs.list, { limit: limit as unknown as number }), limit).rejects.toMatchObject({ code: "INPUT_INVALID" });
    }
  });
});
