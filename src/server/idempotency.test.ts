import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startFaultProxy } from "../../test/fixtures/fault-proxy.ts";
import { createClient, remoteTransport } from "../client/index.ts";
import { listJobs } from "../catalog/jobs.ts";
import { answerOnce } from "../control/answer-once.ts";
import { openWorld, type World } from "../control/control.fixture.ts";
import { createToken } from "../control/tokens.ts";
import { silentLog } from "../lib/log.ts";
import { api } from "../model/api/index.ts";
import { buildApp } from "./app.ts";
import type { ServerContext } from "./context.ts";
import { routes } from "./routes/index.ts";
import { tokenDoor } from "./token-door.ts";

const DAY_MS = 24 * 3_600_000;
const PROBE = "/v1/instances/shop/probe";

let world: World;
let app: ReturnType<typeof buildApp>;
const tokens: string[] = [];

beforeEach(async () => {
  world = await openWorld();
  app = start();
  tokens.length = 0;
  for (const name of ["ann", "bob"]) tokens.push((await createToken(world.ports, { name, role: "admin", by: "test" })).text);
});
afterEach(async () => {
  await app.close();
  await world.close();
});

const start = (): ReturnType<typeof buildApp> => buildApp(routes, { dispatcher: world.dispatcher, serverFingerprint: () => Promise.resolve(null) } as unknown as ServerContext, { log: silentLog, door: tokenDoor(world.ports, { requestsPerS: 1_000 }) });
const jobs = async (): Promise<number> => (await listJobs(world.ports.catalog.db, { limit: 100 })).length;

async function send(url: string, key: string, { payload = {}, who = 0 }: { payload?: object; who?: number } = {}): Promise<{ status: number; body: Record<string, unknown>; code: string | undefined }> {
  const answer = await app.inject({ method: "POST", url, headers: { authorization: `Bearer ${tokens[who] ?? ""}`, "idempotency-key": key }, payload });
  const body = answer.json<Record<string, unknown> & { error?: { code: string } }>();
  return { status: answer.statusCode, body, code: body.error?.code };
}

describe("a request with an Idempotency-Key", () => {
  test("is done once and answered alike, also after a restart, for a day", async () => {
    const first = await send(PROBE, "k1");
    expect(first.status).toBe(200);
    expect(await send(PROBE, "k1")).toEqual(first);
    await app.close();
    await world.restart();
    app = start();
    world.pass(DAY_MS - 1);
    expect(await send(PROBE, "k1")).toEqual(first);
    expect(await jobs()).toBe(1);
    world.pass(2);
    expect((await send(PROBE, "k1")).body).not.toEqual(first.body);
    expect(await jobs()).toBe(2);
  });

  test("with another request is refused, and nothing is done", async () => {
    await send("/v1/backups", "k1", { payload: { instance: "shop", kind: "full" } });
    expect(await send("/v1/backups", "k1", { payload: { instance: "shop", kind: "incremental" } })).toMatchObject({ status: 409, code: "REQUEST_KEY_REUSED" });
    expect(await send(PROBE, "k1")).toMatchObject({ status: 409, code: "REQUEST_KEY_REUSED" });
    expect(await jobs()).toBe(1);
  });

  test("of another caller has nothing to do with it", async () => {
    const first = await send(PROBE, "k1");
    expect((await send(PROBE, "k1", { who: 1 })).body).not.toEqual(first.body);
    expect(await jobs()).toBe(2);
  });

  test("that is under way is not begun again; that ended with an error may be", async () => {
    const request = { caller: "owner", key: "k1", route: "things.make", input: {}, isKept: true };
    const [begun, end] = [Promise.withResolvers<undefined>(), Promise.withResolvers<string>()];
    const first = answerOnce(world.ports, request, () => {
      begun.resolve(undefined);
      return end.promise;
    });
    await begun.promise;
    const second = (): Promise<string> => answerOnce(world.ports, request, () => Promise.resolve("again"));
    await expect(second()).rejects.toMatchObject({ code: "REQUEST_UNFINISHED" });
    end.resolve("done");
    expect([await first, await second()]).toEqual(["done", "done"]);
    expect(await send("/v1/instances/shpo/probe", "k2")).toMatchObject({ code: "NOT_FOUND" });
    expect(await send("/v1/instances/shpo/probe", "k2")).toMatchObject({ code: "NOT_FOUND" });
  });

  test("whose answer holds a secret is told that it was done, and the catalog does not know the secret", async () => {
    const first = await send("/v1/tokens", "k1", { payload: { name: "eve", role: "viewer" } });
    expect(first.status).toBe(200);
    expect(await send("/v1/tokens", "k1", { payload: { name: "eve", role: "viewer" } })).toMatchObject({ status: 409, code: "CONFLICT" });
    const rows = await world.ports.catalog.db.selectFrom("givenAnswer").selectAll().execute();
    expect(rows).toMatchObject([{ isDone: 1, answer: null }]);
  });

  test.each(["", "two words", "é", "x".repeat(256)])("of the form %j is refused", async (key) => {
    expect(await send(PROBE, key)).toMatchObject({ status: 422, code: "INPUT_INVALID" });
    expect(await jobs()).toBe(0);
  });
});

test("a client whose answer is lost asks again, and the thing is done once; without a key it would not ask again", async () => {
  const { port } = new URL(await app.listen({ host: "127.0.0.1", port: 0 }));
  const proxy = await startFaultProxy(Number(port));
  try {
    const transport = remoteTransport({ url: proxy.endpoint, token: () => tokens[0] ?? "" });
    const pauses = { firstPauseMs: 1, maxPauseMs: 1 };
    proxy.break("POST", { kind: "lose-answer" }, 2);
    await createClient(transport, { tries: 4, pauses }).call(api.instances.probe, { instance: "shop" });
    expect(proxy.seen.filter(({ reached }) => reached)).toHaveLength(3);
    expect(await jobs()).toBe(1);
    proxy.heal();
    proxy.break("POST", { kind: "lose-answer" }, 1);
    await expect(createClient(transport, { tries: 4, pauses }).call(api.system.thaw, { by: "x" })).rejects.toMatchObject({ code: "UNREACHABLE" });
    proxy.heal();
    proxy.break("POST", { kind: "lose-answer" }, 1);
    await expect(createClient(transport).call(api.instances.probe, { instance: "shop" })).rejects.toMatchObject({ code: "UNREACHABLE" });
  } finally {
    await proxy.stop();
  }
});
