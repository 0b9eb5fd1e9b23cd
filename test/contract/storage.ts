import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import type { Storage } from "../../src/storage/storage.ts";
import { promiseOf } from "../fixtures/promise-of.ts";

/** Every sentence of `Storage`, as tests; `open` gives a new, empty one. */
export function describeStorage(name: string, open: () => Promise<Storage>): void {
  let storage: Storage;
  beforeEach(async () => {
    storage = await open();
  });

  const put = (key: string, ...chunks: readonly (string | Uint8Array)[]) => {
    const buffers = chunks.map((chunk) => Buffer.from(chunk));
    return storage.put(key, buffers, promiseOf(Buffer.concat(buffers)));
  };
  const list = async (prefix: string): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of storage.list(prefix)) keys.push(key);
    return keys;
  };
  const contents = async (key: string): Promise<string> => (await readWhole(await storage.get(key))).toString();

  describe(`${name}: put`, () => {
    test("what was stored comes back, from several chunks and with its size", async () => {
      const chunks = [randomBytes(3_000_000), randomBytes(1), randomBytes(70_000)];
      const whole = Buffer.concat(chunks);
      expect(await storage.put("a/b/c", chunks, promiseOf(whole))).toEqual({ key: "a/b/c", sizeBytes: whole.byteLength });
      expect((await readWhole(await storage.get("a/b/c"))).equals(whole)).toBe(true);
      expect(await storage.stat("a/b/c")).toEqual({ key: "a/b/c", sizeBytes: whole.byteLength });
    });

    test("an asynchronous body and an empty one are stored", async () => {
      async function* slowly(): AsyncGenerator<Uint8Array> {
        for (const word of ["one", " ", "two"]) {
          await wait(1);
          yield Buffer.from(word);
        }
      }
      await storage.put("slow", slowly(), promiseOf(Buffer.from("one two")));
      await storage.put("empty", [], promiseOf(Buffer.alloc(0)));
      expect(await contents("slow")).toBe("one two");
      expect(await contents("empty")).toBe("");
    });

    test("the body's buffers can be used again afterwards", async () => {
      const buffer = Buffer.from("before");
      await storage.put("k", [buffer], promiseOf(buffer));
      buffer.fill("x");
      expect(await contents("k")).toBe("before");
    });

    test("an object is written once", async () => {
      await put("k", "first");
      await expect(put("k", "second")).rejects.toMatchObject({ code: "OBJECT_EXISTS" });
      await expect(put("k", "first")).rejects.toMatchObject({ code: "OBJECT_EXISTS" });
      expect(await contents("k")).toBe("first");
    });

    test("of many writers of one key exactly one wins, and its bytes stay", async () => {
      const bodies = Array.from({ length: 8 }, (_, writer) => Buffer.alloc(300_000, String(writer)));
      const ends = await Promise.allSettled(bodies.map((body) => storage.put("race/k", [body], promiseOf(body))));
      const winners = ends.flatMap((end, writer) => (end.status === "fulfilled" ? [writer] : []));
      expect(winners).toHaveLength(1);
      for (const end of ends) if (end.status === "rejected") expect(end.reason).toMatchObject({ code: "OBJECT_EXISTS" });
      expect((await readWhole(await storage.get("race/k"))).equals(bodies[winners[0]!]!)).toBe(true);
      expect(await list("")).toEqual(["race/k"]);
    });

    test.each([
      ["with another hash", "bytes", { ...promiseOf(Buffer.from("bytez")) }],
      ["that is too short", "byte", { ...promiseOf(Buffer.from("bytes")) }],
      ["that is too long", "bytes!", { ...promiseOf(Buffer.from("bytes")) }],
    ])("a body %s is refused and leaves nothing", async (_what, body, options) => {
      await expect(storage.put("x/k", [Buffer.from(body)], options)).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
      await leavesNothing();
    });

    test("a body that fails half-way rejects with its error and leaves nothing", async () => {
      const cause = new Error("the source broke");
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield randomBytes(100_000);
        await wait(1);
        throw cause;
      }
      await expect(storage.put("x/k", broken(), { sizeBytes: 200_000, sha256: "0".repeat(64) })).rejects.toBe(cause);
      await leavesNothing();
    });

    test("an abort while the body stalls rejects with the signal's reason and leaves nothing", async () => {
      const controller = new AbortController();
      const reason = new Error("cancelled");
      async function* stalled(): AsyncGenerator<Uint8Array> {
        yield randomBytes(1_000);
        await new Promise(() => undefined);
      }
      const putting = storage.put("x/k", stalled(), { sizeBytes: 2_000, sha256: "0".repeat(64), signal: controller.signal });
      setTimeout(() => controller.abort(reason), 20);
      await expect(putting).rejects.toBe(reason);
      await leavesNothing();
    });

    test("an abort from before is heeded", async () => {
      const reason = new Error("cancelled");
      const body = Buffer.from("x");
      await expect(storage.put("k", [body], { ...promiseOf(body), signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      await leavesNothing();
    });

    test("after a failed put the same key can be stored", async () => {
      await storage.put("x/k", [Buffer.from("wrong")], promiseOf(Buffer.from("right"))).catch(() => undefined);
      await put("x/k", "right");
      expect(await contents("x/k")).toBe("right");
    });

    async function leavesNothing(): Promise<void> {
      expect(await storage.stat("x/k")).toBeNull();
      expect(await list("")).toEqual([]);
      expect(await storage.leftovers({ olderThanMs: -1_000, remove: false })).toEqual([]);
    }
  });

  describe(`${name}: keys`, () => {
    const odd = ["with space", "quote'\"`", "new\nline", "emoji-🗄️", "percent%2F", "back\\slash", "-dash", ".hidden", "a/.tmp/b", "ünïcode", "*?[x]", "x".repeat(255)];

    test("odd names are stored, listed and deleted as they are", async () => {
      for (const key of odd) await put(key, `of ${key}`);
      expect(await list("")).toEqual([...odd].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
      for (const key of odd) expect(await contents(key)).toBe(`of ${key}`);
      await storage.delete(odd);
      expect(await list("")).toEqual([]);
    });

    test.each(["", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/..", ".", "./a", "a\0b", ".tmp/a", "x".repeat(256), "y/".repeat(600) + "z", "\ud800"])(
      "%j is refused everywhere",
      async (key) => {
        const refused = { code: "INPUT_INVALID" };
        await expect(put(key, "x")).rejects.toMatchObject(refused);
        await expect(storage.get(key)).rejects.toMatchObject(refused);
        await expect(storage.stat(key)).rejects.toMatchObject(refused);
        await expect(storage.delete([key])).rejects.toMatchObject(refused);
      },
    );
  });

  describe(`${name}: get`, () => {
    test("an object that is not there is said before the first byte", async () => {
      await expect(storage.get("no/such")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND", message: expect.stringContaining("no/such") as string });
      await put("a/b", "x");
      await expect(storage.get("a")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
      await expect(storage.get("a/b/c")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
    });

    test.each([
      [0, 10, "0123456789"],
      [0, 1, "0"],
      [3, 7, "3456"],
      [9, 10, "9"],
      [5, 5, ""],
      [10, 10, ""],
    ])("the range [%i, %i) gives %j", async (start, end, expected) => {
      await put("k", "0123456789");
      expect((await readWhole(await storage.get("k", { range: { start, end } }))).toString()).toBe(expected);
    });

    test.each([
      [0, 11],
      [11, 12],
      [-1, 3],
      [4, 3],
      [0.5, 2],
    ])("the range [%d, %d) of ten bytes is refused", async (start, end) => {
      await put("k", "0123456789");
      await expect(storage.get("k", { range: { start, end } })).rejects.toMatchObject({ code: "INPUT_INVALID" });
    });

    test("an abort ends a read with the signal's reason", async () => {
      const body = randomBytes(5_000_000);
      await storage.put("k", [body], promiseOf(body));
      const controller = new AbortController();
      const reason = new Error("cancelled");
      const stream = await storage.get("k", { signal: controller.signal });
      const reading = (async () => {
        for await (const _chunk of stream) controller.abort(reason);
      })();
      await expect(reading).rejects.toBe(reason);
      await expect(storage.get("k", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    });
  });

  describe(`${name}: stat, list and delete`, () => {
    test("stat is null for what is not there, and for a folder", async () => {
      expect(await storage.stat("a")).toBeNull();
      await put("a/b", "x");
      expect(await storage.stat("a")).toBeNull();
      expect(await storage.stat("a/b/c")).toBeNull();
    });

    test("list gives what begins with the prefix, whole parts or not, in key order", async () => {
      for (const key of ["a/b/2", "a/b/1", "a/b-c", "a/bc", "a.b", "a-b/x", "b", "a/b/10"]) await put(key, "x");
      expect(await list("")).toEqual(["a-b/x", "a.b", "a/b-c", "a/b/1", "a/b/10", "a/b/2", "a/bc", "b"]);
      expect(await list("a/b")).toEqual(["a/b-c", "a/b/1", "a/b/10", "a/b/2", "a/bc"]);
      expect(await list("a/b/")).toEqual(["a/b/1", "a/b/10", "a/b/2"]);
      expect(await list("a/b/1")).toEqual(["a/b/1", "a/b/10"]);
      expect(await list("nothing/")).toEqual([]);
      expect(await list("a/b/1/")).toEqual([]);
      expect(await list("../")).toEqual([]);
    });

    test("an unfinished object is never seen", async () => {
      const goOn = Promise.withResolvers<undefined>();
      const started = Promise.withResolvers<undefined>();
      async function* slow(): AsyncGenerator<Uint8Array> {
        yield Buffer.from("x");
        started.resolve(undefined);
        await goOn.promise;
      }
      const putting = storage.put("slow", slow(), promiseOf(Buffer.from("x")));
      await started.promise;
      expect(await list("")).toEqual([]);
      expect(await storage.stat("slow")).toBeNull();
      await expect(storage.get("slow")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
      goOn.resolve(undefined);
      await putting;
      expect(await list("")).toEqual(["slow"]);
    });

    test("more than a thousand keys are listed, and deleted in one call", async () => {
      const keys = Array.from({ length: 1_003 }, (_, number) => `many/${String(number).padStart(5, "0")}`);
      await Promise.all(keys.map((key) => put(key, key)));
      expect(await list("many/")).toEqual(keys);
      await storage.delete(keys);
      expect(await list("")).toEqual([]);
    });

    test("delete removes what is there and ignores the rest", async () => {
      await put("a/b", "x");
      await put("a/c", "y");
      await storage.delete(["a/b", "a/no", "no/where", "a", "a/c/d"]);
      expect(await list("")).toEqual(["a/c"]);
      await storage.delete([]);
    });

    test("after a delete the key can be stored again, and an object may lie where a folder was", async () => {
      await put("a/b", "x");
      await storage.delete(["a/b"]);
      await put("a", "y");
      expect(await contents("a")).toBe("y");
    });

    test("puts and deletes side by side in one folder do not disturb each other", async () => {
      const rounds = Array.from({ length: 300 }, (_, number) => `busy/deep/${number % 3}/${number}`);
      await Promise.all(rounds.map(async (key) => {
        await put(key, key);
        await storage.delete([key]);
      }));
      expect(await list("")).toEqual([]);
    });

    test("describe says where it is", () => {
      expect(storage.describe().length).toBeGreaterThan(3);
    });
  });
}

async function readWhole(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
