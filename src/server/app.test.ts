import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { sendRaw } from "../../test/fixtures/raw-http.ts";
import { createClient, inMemoryTransport } from "../client/index.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Log, silentLog } from "../lib/log.ts";
import { route } from "../model/api/route.ts";
import { buildApp, missingRoutes } from "./app.ts";
import type { ServerContext } from "./context.ts";
import { implement, type Implementation } from "./implement.ts";

const show = route({ name: "things.show", method: "GET", path: "/v1/things/:thing", summary: "", role: "viewer", input: z.object({ thing: z.string(), limit: z.coerce.number().max(9).default(5) }), output: z.object({ seen: z.string() }) });
const make = route({ name: "things.make", method: "POST", path: "/v1/things/:thing", summary: "", role: "viewer", input: z.object({ thing: z.string(), size: z.number() }), output: z.object({ seen: z.string() }) });
const drop = route({ name: "things.drop", method: "DELETE", path: "/v1/things/:thing", summary: "", role: "viewer", input: z.object({ thing: z.string(), by: z.string() }), output: z.object({ seen: z.string() }) });

const apps: { close(): PromiseLike<unknown> }[] = [];
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

function appOf(implementations: Implementation[], log: Log = silentLog): ReturnType<typeof buildApp> {
  const app = buildApp(implementations, {} as ServerContext, { log });
  apps.push(app);
  return app;
}

const echo = [
  implement(show, (input) => Promise.resolve({ seen: JSON.stringify(input) })),
  implement(make, (input) => Promise.resolve({ seen: JSON.stringify(input) })),
  implement(drop, (input) => Promise.resolve({ seen: JSON.stringify(input) })),
];

describe("the API as an application", () => {
  test("input comes from path and query, or from path and body", async () => {
    const client = createClient(inMemoryTransport(appOf(echo)));
    expect(await client.call(show, { thing: "a/b c", limit: 7 })).toEqual({ seen: '{"thing":"a/b c","limit":7}' });
    expect(await client.call(make, { thing: "x", size: 3 })).toEqual({ seen: '{"thing":"x","size":3}' });
    expect(await client.call(drop, { thing: "x", by: "ann" })).toEqual({ seen: '{"thing":"x","by":"ann"}' });
  });

  test("the path wins over a body that speaks of another object", async () => {
    const answer = await appOf(echo).inject({ method: "POST", url: "/v1/things/mine", payload: { thing: "other", size: 1 } });
    expect(answer.json()).toEqual({ seen: '{"thing":"mine","size":1}' });
  });

  test("bad input is refused with the field and the value", async () => {
    const answer = await appOf(echo).inject({ method: "GET", url: "/v1/things/x?limit=10" });
    expect(answer.statusCode).toBe(422);
    expect(answer.json()).toMatchObject({ error: { code: "INPUT_INVALID", message: expect.stringContaining('limit: "10" is more than the largest') as string } });
  });

  test("an error of the table leaves with its status, hint and details", async () => {
    const refuse = implement(show, () => Promise.reject(new HoldfastError("CHAIN_BROKEN", "The parent is gone.", { hint: "Take a full.", details: { parent: "x" } })));
    const answer = await appOf([refuse]).inject({ method: "GET", url: "/v1/things/x" });
    expect(answer.statusCode).toBe(409);
    expect(answer.json()).toEqual({ error: { code: "CHAIN_BROKEN", message: "The parent is gone.", hint: "Take a full.", details: { parent: "x" } } });
  });

  test("an unforeseen error leaves without its stack and is logged with its cause", async () => {
    const seen: object[] = [];
    const log: Log = { ...silentLog, error: (fields) => seen.push(fields) };
    const fault = new TypeError("x is undefined");
    const answer = await appOf([implement(show, () => Promise.reject(fault))], log).inject({ method: "GET", url: "/v1/things/x" });
    expect(answer.statusCode).toBe(500);
    expect(answer.json()).toMatchObject({ error: { code: "INTERNAL" } });
    expect(answer.payload).not.toContain("app.test.ts");
    expect(seen).toMatchObject([{ code: "INTERNAL", err: { cause: fault } }]);
  });

  test("an answer that breaks the API's promise is an error, not a lie", async () => {
    const wrong = implement(show, () => Promise.resolve({ seen: 5 } as unknown as { seen: string }));
    const answer = await appOf([wrong]).inject({ method: "GET", url: "/v1/things/x" });
    expect(answer.json()).toMatchObject({ error: { code: "INTERNAL", message: expect.stringContaining("seen: 5 is a number") as string } });
  });

  test("an unknown route and a body that is no JSON have the same form of error", async () => {
    const app = appOf(echo);
    const lost = await app.inject({ method: "GET", url: "/v1/nothing?secret=1" });
    expect([lost.statusCode, lost.json<{ error: { code: string; message: string } }>().error.message]).toEqual([404, "The API has no route GET /v1/nothing."]);
    const broken = await app.inject({ method: "POST", url: "/v1/things/x", headers: { "content-type": "application/json" }, payload: "{" });
    expect([broken.statusCode, broken.json<{ error: { code: string } }>().error.code]).toEqual([422, "INPUT_INVALID"]);
    const list = await app.inject({ method: "POST", url: "/v1/things/x", payload: [1] });
    expect(list.json()).toMatchObject({ error: { code: "INPUT_INVALID", message: "The body of the request is not a JSON object." } });
  });

  test("a method that a path has not is answered with those that it has, whatever it carries", async () => {
    const app = appOf(echo);
    const answer = await app.inject({ method: "PUT", url: "/v1/things/x?secret=1", headers: { "content-type": "text/plain" }, payload: "x" });
    expect([answer.statusCode, answer.headers.allow]).toEqual([405, "GET, HEAD, POST, DELETE"]);
    expect(answer.json()).toMatchObject({ error: { code: "METHOD_NOT_ALLOWED", message: "The API has no route PUT /v1/things/x, only GET, HEAD, POST, DELETE." } });
    expect((await app.inject({ method: "DELETE", url: "/openapi.json" })).headers.allow).toBe("GET, HEAD");
  });

  test("a body that is null is no body, and names that JavaScript would take for its own are left out", async () => {
    const app = appOf(echo);
    const send = (payload: string) => app.inject({ method: "POST", url: "/v1/things/x", headers: { "content-type": "application/json" }, payload });
    expect((await send("null")).json()).toMatchObject({ error: { code: "INPUT_INVALID", message: "The body of the request is not a JSON object." } });
    expect((await send('{"size":1,"__proto__":{"size":2},"constructor":{"prototype":{}}}')).json()).toEqual({ seen: '{"thing":"x","size":1}' });
  });

  test("what is no HTTP is refused in the form of every other error", async () => {
    const app = appOf(echo);
    const { port } = new URL(await app.listen({ host: "127.0.0.1", port: 0 }));
    for (const [headers, says] of [[["no colon"], "cannot be read"], [[`x: ${"a".repeat(20_000)}`], "overflow"]] as const) {
      const answer = await sendRaw(Number(port), { method: "GET", path: "/v1/things/x", headers });
      expect([answer.status, answer.code]).toEqual([400, "USAGE"]);
      expect(answer.text.toLowerCase()).toContain(says);
    }
    const bad = await sendRaw(Number(port), { method: "GET", path: "/v1/things/%zz" });
    expect([bad.status, bad.code]).toEqual([422, "INPUT_INVALID"]);
  });

  test("tells what it can do in OpenAPI", async () => {
    const answer = await appOf(echo).inject({ method: "GET", url: "/openapi.json" });
    expect([answer.statusCode, answer.json<{ openapi: string }>().openapi]).toEqual([200, "3.1.0"]);
  });

  test("routes without an implementation are named", () => {
    expect(missingRoutes(echo)).toContain("agent.claim");
    expect(missingRoutes(echo)).not.toContain("things.show");
  });
});
