import { get, type IncomingMessage } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../test/fixtures/log-collector.ts";
import { createClient, remoteTransport } from "../client/index.ts";
import { moveJob } from "../catalog/jobs.ts";
import { openWorld, submit, type World } from "../control/control.fixture.ts";
import { claim } from "../control/dispatch.ts";
import { forgetEvents, newestEvent } from "../catalog/events.ts";
import { EventWatch } from "../control/event-watch.ts";
import { clear, raise } from "../control/findings.ts";
import { createToken, endToken } from "../control/tokens.ts";
import { silentLog } from "../lib/log.ts";
import { jobSchema } from "../model/job.ts";
import { buildApp } from "./app.ts";
import type { ServerContext } from "./context.ts";
import { routes } from "./routes/index.ts";
import { tokenDoor } from "./token-door.ts";

interface Heard {
  readonly event: string;
  readonly id: number;
  readonly data: Record<string, unknown>;
}

let world: World;
let app: ReturnType<typeof buildApp>;
let url: string;
let token: { text: string; tokenId: string };
const open: IncomingMessage[] = [];

beforeEach(async () => {
  world = await openWorld();
  app = buildApp(routes, { dispatcher: world.dispatcher, eventWatch: new EventWatch(() => newestEvent(world.ports.catalog.db)) } as unknown as ServerContext, { log: silentLog, door: tokenDoor(world.ports, { requestsPerS: 1_000 }) });
  url = await app.listen({ host: "127.0.0.1", port: 0 });
  const made = await createToken(world.ports, { name: "ann", role: "viewer", by: "test" });
  token = { text: made.text, tokenId: made.token.tokenId };
});
afterEach(async () => {
  for (const one of open.splice(0)) one.destroy();
  await app.close();
  await world.close();
});

async function listen(query = "", lastEventId?: number): Promise<{ status: number; heard: Heard[]; text: () => string; close(): void; hasEnded(): boolean }> {
  const headers = { authorization: `Bearer ${token.text}`, ...(lastEventId === undefined ? {} : { "last-event-id": String(lastEventId) }) };
  const answer = await new Promise<IncomingMessage>((resolve, reject) => get(`${url}/v1/events${query}`, { headers, agent: false }, resolve).once("error", reject));
  open.push(answer);
  const heard: Heard[] = [];
  let [text, hasEnded] = ["", false];
  answer.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    const blocks = text.split("\n\n").slice(0, -1);
    heard.splice(0, heard.length, ...blocks.flatMap((block) => eventIn(block)));
  });
  answer.once("close", () => (hasEnded = true));
  answer.once("error", () => undefined);
  if (answer.statusCode === 200) await until("the stream has begun", () => text.includes("retry:") || hasEnded);
  return { status: answer.statusCode ?? 0, heard, text: () => text, close: () => answer.destroy(), hasEnded: () => hasEnded };
}

function eventIn(block: string): Heard[] {
  const [, event = "", id = "", data = ""] = /^event: (\w+)\nid: (\d+)\ndata: (.*)$/.exec(block) ?? [];
  return event === "" ? [] : [{ event, id: Number(id), data: JSON.parse(data) as Record<string, unknown> }];
}

const about = { kind: "test", subject: "x:1" };
const words = { ...about, severity: "warning" as const, message: "It is wrong.", remedy: "Mend it." };

describe("the events of a server", () => {
  test("come in order, as the thing is now, and go on behind the last one that was heard", async () => {
    const all = await listen("", 0);
    const job = await submit(world, { kind: "probe" });
    await raise(world.ports, world.ports.catalog.db, words);
    await until("two are heard", () => all.heard.length >= 2);
    expect(all.heard.map(({ event, id }) => [event, id])).toEqual([["job", 1], ["finding", 2]]);
    expect(all.heard[0]?.data).toMatchObject({ jobId: job.jobId, state: "due" });
    all.close();
    await moveJob(world.ports.catalog.db, job.jobId, { from: ["due"], to: "cancelled" });
    await clear(world.ports, world.ports.catalog.db, about);
    const later = await listen("", 2);
    await until("what was missed is heard", () => later.heard.length >= 2);
    expect(later.heard.map(({ event, id }) => [event, id])).toEqual([["job", 3], ["finding", 4]]);
    expect(later.heard[1]?.data["closedAt"]).not.toBeNull();
    const findings = await listen("?kinds=finding", 0);
    await until("both of the finding are heard", () => findings.heard.length >= 2);
    expect(findings.heard.map(({ id }) => id)).toEqual([2, 4]);
  });

  test("say so when it is not known what was missed: too long ago, or of another catalog", async () => {
    for (let number = 0; number < 4; number += 1) await submit(world, { kind: "probe" });
    await forgetEvents(world.ports.catalog.db, { keep: 2 });
    for (const [after, expected] of [[1, ["reset"]], [99, ["reset"]], [2, ["job", "job"]]] as const) {
      const stream = await listen("", after);
      await until(`something is heard behind ${String(after)}`, () => stream.heard.length >= expected.length);
      expect(stream.heard.map(({ event }) => event)).toEqual(expected);
      stream.close();
    }
  });

  test("of one job are its state at once, each change, and its progress", async () => {
    const job = await submit(world, { kind: "probe" });
    await submit(world, { kind: "probe" });
    const stream = await listen(`?jobId=${job.jobId}`);
    const last = () => jobSchema.parse(stream.heard.at(-1)?.data);
    await until("its state is heard", () => stream.heard.length === 1);
    expect(last().state).toBe("due");
    const order = await claim(world.dispatcher, { agent: "a", jobId: job.jobId });
    await until("its attempt is heard", () => last().state === "running");
    const progress = { phase: "probing", doneBytes: 1, totalBytes: null, rateInBytesPerS: 0, rateOutBytesPerS: 0, etaMs: null, message: "" };
    await world.dispatcher.leases.heartbeat(order!, progress);
    await until("its progress is heard", () => last().attempts[0]?.progress?.phase === "probing");
    await moveJob(world.ports.catalog.db, job.jobId, { from: ["running"], to: "failed" });
    await until("its end is heard", () => last().state === "failed");
    expect(stream.heard.map(({ data }) => data["jobId"])).toEqual(stream.heard.map(() => job.jobId));
  });

  test("are heard no longer by a token that was revoked, nor from a server that stops", async () => {
    const [mine, other] = [await listen(), await listen()];
    await endToken(world.ports, token.tokenId, "test");
    world.pass(2_000);
    await until("the streams end", () => mine.hasEnded() && other.hasEnded());
    const made = await createToken(world.ports, { name: "bob", role: "viewer", by: "test" });
    token = { text: made.text, tokenId: made.token.tokenId };
    const last = await listen();
    await app.close();
    expect(last.status).toBe(200);
    await until("the stream ends with the server", () => last.hasEnded());
  });

  test("keep the connection awake while nothing happens, and so many streams at once are too many", async () => {
    const streams: Awaited<ReturnType<typeof listen>>[] = [];
    for (let number = 0; number < 5; number += 1) streams.push(await listen());
    expect((await listen()).status).toBe(429);
    streams[0]?.close();
    await until("there is room again", async () => (await listen()).status === 200);
    world.pass(15_000);
    await until("a sign of life", () => streams[1]?.text().includes(": still here") === true);
  });

  test("are read by a client until it has heard enough, and a refusal is the server's own", async () => {
    const job = await submit(world, { kind: "probe" });
    const client = createClient(remoteTransport({ url, token: () => token.text }));
    const states: unknown[] = [];
    for await (const { event, data } of client.events?.({ jobId: job.jobId }) ?? []) {
      states.push([event, jobSchema.parse(data).state]);
      if (states.length === 2) break;
      await moveJob(world.ports.catalog.db, job.jobId, { from: ["due"], to: "cancelled" });
    }
    expect(states).toEqual([["job", "due"], ["job", "cancelled"]]);
    const stranger = createClient(remoteTransport({ url, token: () => null }));
    const first = async (): Promise<unknown> => stranger.events?.({})[Symbol.asyncIterator]().next();
    await expect(first()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  });

  test("are asked for in words that mean something", async () => {
    expect((await listen("?kinds=job,jobs")).status).toBe(422);
    const answer = await app.inject({ method: "GET", url: "/v1/events", headers: { authorization: `Bearer ${token.text}`, "last-event-id": "x" } });
    expect(answer.json()).toMatchObject({ error: { code: "INPUT_INVALID" } });
  });
});
