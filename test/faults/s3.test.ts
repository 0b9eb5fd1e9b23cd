import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { mayRetry } from "../../src/lib/retry.ts";
import { openStorage } from "../../src/storage/index.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { caught } from "../fixtures/caught.ts";
import { type FaultProxy, startFaultProxy } from "../fixtures/fault-proxy.ts";
import { until } from "../fixtures/log-collector.ts";
import { promiseOf } from "../fixtures/promise-of.ts";
import { makeBucket, optionsFor, type S3Server } from "../fixtures/s3-server.ts";
import { S3_SERVERS } from "../fixtures/s3-servers.ts";
import { describeUnless } from "../skip.ts";

const BODY = Buffer.from("the bytes of a pack");
const TRIES = 5;

type Body = Parameters<Storage["put"]>[1];

async function* once(body: Buffer): AsyncGenerator<Uint8Array> {
  yield body;
}

async function keysOf(storage: Storage): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list("")) keys.push(key);
  return keys;
}

for (const [reason, name, start] of S3_SERVERS) {
  describeUnless(reason, `a bad day between Holdfast and ${name}`, () => {
    let server: S3Server;
    let proxy: FaultProxy;
    /** Through the proxy, and past it. */
    let storage: Storage;
    let truth: Storage;
    beforeAll(async () => {
      server = await start();
      proxy = await startFaultProxy(server.port);
    });
    afterAll(async () => {
      await proxy.stop();
      await server.stop();
    });
    beforeEach(async () => {
      await open();
    });
    afterEach(() => {
      proxy.heal();
    });

    async function open(): Promise<void> {
      const bucket = await makeBucket(server);
      truth = openStorage("s3", optionsFor(server, bucket));
      storage = through(bucket);
      // What is asked once, before the first write, is over before anything breaks.
      await storage.put("first", [BODY], promiseOf(BODY));
      proxy.heal();
    }

    const through = (bucket: string, more: Record<string, unknown> = {}) => openStorage("s3", { ...optionsFor(server, bucket, more), endpoint: proxy.endpoint });

    const put = (key: string, body: Body = [BODY], options = promiseOf(BODY)) => storage.put(key, body, options);
    const read = async (from: Storage, key: string, range?: { start: number; end: number }): Promise<Buffer> => Buffer.concat(await (await from.get(key, range === undefined ? {} : { range })).toArray());
    const puts = () => proxy.seen.filter(({ method }) => method === "PUT");

    describe("the store is busy or broken", () => {
      const answers = [[503, "SlowDown"], [429, "TooManyRequests"], [500, "InternalError"], [502, "BadGateway"]] as const;

      test.each(answers)("%i %s passes: every call is tried again", async (status, code) => {
        for (const method of ["PUT", "GET", "HEAD", "POST"]) proxy.break(method, { kind: "answer", status, code }, 2);
        await put("k");
        expect(await storage.stat("k")).toEqual({ key: "k", sizeBytes: BODY.byteLength });
        expect((await read(storage, "k")).equals(BODY)).toBe(true);
        expect(await keysOf(storage)).toEqual(["first", "k"]);
        await storage.delete(["k"]);
        expect(await keysOf(truth)).toEqual(["first"]);
      });

      test("what does not pass is said, as something that may pass later, and nothing is stored", async () => {
        proxy.break("PUT", { kind: "answer", status: 503, code: "SlowDown" });
        const error = await caught(put("k"));
        expect(error).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringMatching(/k in the S3 bucket .* asks to slow down \(SlowDown 503\)/) as string });
        expect(mayRetry(error)).toBe(true);
        expect(puts()).toHaveLength(TRIES);
        expect(await truth.stat("k")).toBeNull();
      });

      test("a refusal is not tried again", async () => {
        proxy.break("PUT", { kind: "answer", status: 403, code: "AccessDenied" });
        proxy.break("POST", { kind: "answer", status: 403, code: "AccessDenied" });
        expect(await caught(put("k"))).toMatchObject({ code: "STORAGE_REFUSED" });
        expect(await caught(storage.delete(["first"]))).toMatchObject({ code: "STORAGE_REFUSED" });
        expect(proxy.seen.filter(({ method }) => method === "PUT" || method === "POST")).toHaveLength(2);
        expect((await read(truth, "first")).equals(BODY)).toBe(true);
      });

      test("a store from which nothing comes is given up", async () => {
        // Nothing else goes through this one: a slow machine is no silent store.
        const impatient = through(await makeBucket(server), { idleTimeout: "300ms" });
        proxy.break("GET", { kind: "stall" });
        expect(await caught(impatient.get("first"))).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("connection failed") as string });
        expect(proxy.seen).toHaveLength(TRIES);
      });

      test("an abort ends the tries with its reason", async () => {
        const controller = new AbortController();
        const reason = new Error("cancelled");
        proxy.break("GET", { kind: "stall" });
        const reading = caught(storage.get("first", { signal: controller.signal }));
        while (proxy.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        controller.abort(reason);
        expect(await reading).toBe(reason);
      });
    });

    describe("a write", () => {
      test.each<[string, () => Body]>([
        ["that can be read again", () => [BODY]],
        ["that cannot be read again", () => once(BODY)],
      ])("whose answer is lost counts as stored when the store proves it: a body %s", async (_what, body) => {
        proxy.break("PUT", { kind: "lose-answer" }, 1);
        await put("k", body());
        expect(puts()).toHaveLength(1);
        expect(proxy.seen.map(({ method }) => method)).toContain("HEAD");
        expect((await read(truth, "k")).equals(BODY)).toBe(true);
      });

      test("that is sent again because the store did not know of it yet counts as stored when it then does", async () => {
        proxy.break("PUT", { kind: "lose-answer" }, 1);
        proxy.break("HEAD", { kind: "answer", status: 404, code: "NotFound" }, 1);
        await put("k");
        expect(puts().filter(({ reached }) => reached)).toHaveLength(2);
        expect((await read(truth, "k")).equals(BODY)).toBe(true);
      });

      test("whose answer is lost is never guessed about: something else under its name is not it", async () => {
        const other = Buffer.from("the bytes of a pick");
        await truth.put("k", [other], promiseOf(other));
        proxy.break("PUT", { kind: "lose-answer" }, 1);
        expect(await caught(put("k"))).toMatchObject({ code: "OBJECT_EXISTS" });
        expect((await read(truth, "k")).equals(other)).toBe(true);
      });

      test("that nobody can tell about is said to be unknown", async () => {
        proxy.break("PUT", { kind: "lose-answer" });
        proxy.break("HEAD", { kind: "answer", status: 503, code: "SlowDown" });
        const error = await caught(put("k", once(BODY)));
        expect(error).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("is not known") as string });
        expect(mayRetry(error)).toBe(true);
      });

      test("whose connection breaks is sent again, and is there once", async () => {
        proxy.break("PUT", { kind: "reset" }, 2);
        await put("k");
        expect(puts().map(({ reached }) => reached)).toEqual([false, false, true]);
        expect(await keysOf(truth)).toEqual(["first", "k"]);
      });

      test("whose body cannot be read again and whose connection breaks leaves nothing and says so", async () => {
        proxy.break("PUT", { kind: "reset" }, 1);
        expect(await caught(put("k", once(BODY)))).toMatchObject({ code: "STORAGE_FAILED" });
        expect(puts()).toHaveLength(1);
        expect(await truth.stat("k")).toBeNull();
      });

      test("that arrives as something else is refused by the store and sent again", async () => {
        proxy.break("PUT", { kind: "alter-request" }, 1);
        await put("k");
        expect(puts()).toHaveLength(2);
        expect((await read(truth, "k")).equals(BODY)).toBe(true);
      });

      test("that always arrives as something else is never stored", async () => {
        proxy.break("PUT", { kind: "alter-request" });
        expect(await caught(put("k"))).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("what arrived is not what was sent") as string });
        expect(await truth.stat("k")).toBeNull();
      });

      test("of two to one key with every answer lost wins for exactly one writer", async () => {
        const bodies = [randomBytes(200_000), randomBytes(200_000)];
        proxy.break("PUT", { kind: "lose-answer" }, 2);
        const ends = await Promise.all(bodies.map((body) => caught(put("k", [body], promiseOf(body)))));
        const winner = bodies.findIndex((_body, writer) => (ends[writer] as { key?: string }).key === "k" || !(ends[writer] instanceof Error));
        expect(ends.filter((end) => end instanceof Error)).toMatchObject([{ code: "OBJECT_EXISTS" }]);
        expect((await read(truth, "k")).equals(bodies[winner]!)).toBe(true);
      });
    });

    describe("a read", () => {
      const large = randomBytes(1_000_000);

      test("that breaks in its body goes on at the byte it had reached", async () => {
        await truth.put("large", [large], promiseOf(large));
        proxy.break("GET", { kind: "cut", afterBytes: 300_000 }, 3);
        expect((await read(storage, "large")).equals(large)).toBe(true);
        const starts = proxy.seen.map(({ range }) => Number(/^bytes=(\d+)-/.exec(range ?? "bytes=0-")?.[1]));
        expect(starts).toHaveLength(4);
        expect(starts[0]).toBe(0);
        for (const [number, at] of starts.slice(1).entries()) expect(at).toBeGreaterThan(starts[number]!);
        expect(starts.at(-1)).toBeLessThanOrEqual(900_000);
      });

      test("of a range that breaks goes on inside the range", async () => {
        await truth.put("large", [large], promiseOf(large));
        proxy.break("GET", { kind: "cut", afterBytes: 1_000 }, 2);
        expect((await read(storage, "large", { start: 500_000, end: 505_000 })).equals(large.subarray(500_000, 505_000))).toBe(true);
        expect(proxy.seen.map(({ range }) => range?.split("-")[1])).toEqual(["504999", "504999", "504999"]);
      });

      test("that never gets on is given up", async () => {
        await truth.put("large", [large], promiseOf(large));
        proxy.break("GET", { kind: "cut", afterBytes: 0 });
        expect(await caught(read(storage, "large"))).toMatchObject({ code: "STORAGE_FAILED" });
      });

      test("that hangs and is given up closes at once, and its connection with it", async () => {
        await truth.put("large", [large], promiseOf(large));
        proxy.break("GET", { kind: "hang", afterBytes: 300_000 });
        const stream = await storage.get("large");
        await new Promise<void>((resolve) => {
          let takenBytes = 0;
          stream.on("data", (chunk: Buffer) => {
            takenBytes += chunk.byteLength;
            if (takenBytes === 300_000) resolve();
          });
        });
        const closed = new Promise((resolve) => stream.once("close", resolve));
        stream.destroy();
        await closed;
        await until("the connection has ended", () => proxy.seen[0]!.isClosed);
        expect(proxy.seen).toHaveLength(1);
      });

      test("that drips comes whole", async () => {
        const small = large.subarray(0, 5_000);
        await truth.put("small", [small], promiseOf(small));
        proxy.break("GET", { kind: "drip", pieceBytes: 100 });
        expect((await read(storage, "small")).equals(small)).toBe(true);
        expect(proxy.seen).toHaveLength(1);
      });

      test("that is answered short is not taken for the whole", async () => {
        await truth.put("large", [large], promiseOf(large));
        proxy.break("GET", { kind: "truncate", toBytes: 1_000 }, 1);
        expect((await read(storage, "large", { start: 0, end: 5_000 })).equals(large.subarray(0, 5_000))).toBe(true);
      });
    });

    describe("an answer that is cut and looks whole", () => {
      test("does not make a listing shorter", async () => {
        for (const key of ["a", "b", "c", "d"]) await truth.put(key, [BODY], promiseOf(BODY));
        // From a few bytes to most of it.
        for (const toBytes of [20, 300, 500, 700, 900]) {
          proxy.break("GET", { kind: "truncate", toBytes }, 1);
          expect(await keysOf(storage)).toEqual(["a", "b", "c", "d", "first"]);
        }
        proxy.break("GET", { kind: "truncate", toBytes: 600 });
        expect(await caught(keysOf(storage))).toMatchObject({ code: "STORAGE_FAILED" });
      });

      test.each([
        ["an object", /<Contents>.*?<\/Contents>/s],
        ["whether it goes on", /<IsTruncated>false<\/IsTruncated>/],
      ])("does not hide that %s is missing from a listing", async (_what, what) => {
        proxy.break("GET", { kind: "take-out", what }, 1);
        expect(await keysOf(storage)).toEqual(["first"]);
        expect(proxy.seen).toHaveLength(2);
        proxy.break("GET", { kind: "take-out", what });
        expect(await caught(keysOf(storage))).toMatchObject({ code: "STORAGE_FAILED" });
      });

      test("does not hide that one is missing from what was deleted", async () => {
        proxy.break("POST", { kind: "take-out", what: /<Deleted>.*?<\/Deleted>/s }, 1);
        await storage.delete(["first"]);
        expect(proxy.seen.filter(({ method }) => method === "POST")).toHaveLength(2);
        proxy.break("POST", { kind: "take-out", what: /<Deleted>.*?<\/Deleted>/s });
        await put("k");
        expect(await caught(storage.delete(["k"]))).toMatchObject({ code: "STORAGE_FAILED" });
      });

      test("does not make a deletion of what stays", async () => {
        proxy.break("POST", { kind: "truncate", toBytes: 60 }, 1);
        await storage.delete(["first"]);
        expect(await keysOf(truth)).toEqual([]);
        expect(proxy.seen.filter(({ method }) => method === "POST")).toHaveLength(2);
      });
    });
  });
}
