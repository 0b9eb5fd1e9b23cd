import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openWorld, type World } from "../control/control.fixture.ts";
import { createToken, endToken } from "../control/tokens.ts";
import { idFactory } from "../lib/ids.ts";
import { silentLog } from "../lib/log.ts";
import { makeToken } from "../lib/token-text.ts";
import { api } from "../model/api/index.ts";
import type { Route } from "../model/api/route.ts";
import { mayCall, type TokenRole, tokenRoleSchema } from "../model/role.ts";
import { buildApp } from "./app.ts";
import type { ServerContext } from "./context.ts";
import { tokenDoor } from "./token-door.ts";

const allRoutes = Object.values(api).flatMap((noun) => Object.values(noun) as Route<unknown, unknown>[]);
const guarded = allRoutes.filter(({ role }) => role !== "anyone");
const newId = idFactory();

describe("the door of the network", () => {
  let world: World;
  let app: ReturnType<typeof buildApp>;
  const reached: string[] = [];
  const tokens = new Map<TokenRole, string>();

  beforeEach(async () => {
    world = await openWorld();
    reached.length = 0;
    // Each route with code that only notes that it was reached: no fault of the input can stand for a refusal.
    const noting = allRoutes.map((route) => ({
      route: { ...route, input: anything, output: anything, answers: undefined } as unknown as Route<unknown, unknown>,
      handle: () => Promise.resolve(reached.push(route.name)),
    }));
    app = buildApp(noting, {} as ServerContext, { log: silentLog, door: tokenDoor(world.ports, { requestsPerS: 100 }) });
    for (const role of tokenRoleSchema.options) tokens.set(role, (await createToken(world.ports, { name: role, role, by: "test" })).text);
  });
  afterEach(async () => {
    await app.close();
    await world.close();
  });

  const ask = async (route: Route<unknown, unknown>, authorization?: string): Promise<string> => {
    // Time enough between two calls: this is not about how many there are.
    world.pass(1_000);
    const body = route.method === "GET" || route.method === "DELETE" ? {} : { payload: {} };
    const headers = authorization === undefined ? {} : { authorization };
    const answer = await app.inject({ method: route.method, url: route.path.replaceAll(/:\w+/g, "x"), headers, ...body });
    return answer.statusCode < 300 ? "reached" : `${String(answer.statusCode)} ${answer.json<{ error: { code: string } }>().error.code}`;
  };

  test("is passed by nobody without a token, with a wrong one, or with one that is not in force", async () => {
    const known = tokens.get("admin") ?? "";
    const ended = await createToken(world.ports, { name: "ended", role: "admin", by: "test" });
    await endToken(world.ports, ended.token.tokenId, "test");
    const expired = await createToken(world.ports, { name: "expired", role: "admin", expiresInS: 1, by: "test" });
    world.pass(1_000);
    const wrong = ["", "Bearer", known, `Basic ${known}`, "Bearer x", `Bearer ${makeToken("access", known.slice(4, 30)).text}`, `Bearer ${makeToken("access", newId()).text}`, `Bearer ${known.replace("hfa_", "hfw_")}`, `Bearer ${ended.text}`, `Bearer ${expired.text}`];
    for (const route of guarded) {
      expect(await ask(route), route.name).toBe("401 UNAUTHENTICATED");
      for (const authorization of wrong) expect(await ask(route, authorization), `${route.name} ${authorization}`).toBe("401 UNAUTHENTICATED");
    }
    expect(reached).toEqual([]);
  });

  test("lets each role reach what it stands for and nothing else", async () => {
    const counts = new Map<string, number>();
    for (const route of guarded) {
      for (const [role, text] of tokens) {
        const expected = mayCall(role, route.role) ? "reached" : "403 FORBIDDEN";
        expect(await ask(route, `Bearer ${text}`), `${role} ${route.name}`).toBe(expected);
        counts.set(`${role} ${expected}`, (counts.get(`${role} ${expected}`) ?? 0) + 1);
      }
    }
    // Each role is let in somewhere, and refused somewhere: the agent's routes are for agents only.
    for (const role of tokens.keys()) for (const end of ["reached", "403 FORBIDDEN"]) expect(counts.get(`${role} ${end}`), `${role} ${end}`).toBeGreaterThan(0);
    expect(guarded.filter(({ role }) => role === "agent").map(({ name }) => name)).toContain("keys.open");
  });

  test("says so when requests come too fast, and known tokens do not wait behind strangers", async () => {
    const [route] = guarded;
    if (route === undefined) throw new Error("no route");
    const send = (authorization?: string): Promise<number> =>
      app.inject({ method: route.method, url: route.path.replaceAll(/:\w+/g, "x"), payload: {}, headers: authorization === undefined ? {} : { authorization } }).then(({ statusCode }) => statusCode);
    const known = `Bearer ${tokens.get("viewer") ?? ""}`;
    await send(known);
    const strangers = await Promise.all(Array.from({ length: 80 }, () => send()));
    expect(new Set(strangers)).toEqual(new Set([401, 429]));
    expect(await send(known)).toBe(403);
    const fast = await Promise.all(Array.from({ length: 1_200 }, () => send(known)));
    expect(fast.filter((status) => status === 429).length).toBeGreaterThan(0);
    world.pass(60_000);
    expect([await send(), await send(known)]).toEqual([401, 403]);
  });

  test("refuses before the body is read", async () => {
    const route = guarded.find(({ method }) => method === "POST");
    const answer = await app.inject({ method: "POST", url: (route?.path ?? "").replaceAll(/:\w+/g, "x"), headers: { "content-type": "application/json" }, payload: "{ no json" });
    expect(answer.statusCode).toBe(401);
  });
});

const anything = { safeParse: (data: unknown) => ({ success: true, data }) };
