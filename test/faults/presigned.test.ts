import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { mayRetry } from "../../src/lib/retry.ts";
import type { OfferedGrant } from "../../src/model/grant.ts";
import type { GateElsewhere } from "../../src/storage/gate.ts";
import { openStorage } from "../../src/storage/index.ts";
import { presignedGate } from "../../src/storage/s3/presigned-gate.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { brokenBehind } from "../fixtures/broken-body.ts";
import { caught } from "../fixtures/caught.ts";
import { type FaultProxy, startFaultProxy } from "../fixtures/fault-proxy.ts";
import { until } from "../fixtures/log-collector.ts";
import { offeredGet, offeredPut, SILENCE_MS } from "../fixtures/presigned.ts";
import { promiseOf } from "../fixtures/promise-of.ts";
import { makeBucket, optionsFor, type S3Server } from "../fixtures/s3-server.ts";
import { S3_SERVERS } from "../fixtures/s3-servers.ts";
import { describeUnless } from "../skip.ts";

const BODY = randomBytes(1_000_000);
const never = new AbortController().signal;

for (const [reason, name, start] of S3_SERVERS) {
  describeUnless(reason, `a bad day between an agent with signed requests and ${name}`, () => {
    let server: S3Server;
    let proxy: FaultProxy;
    let gate: GateElsewhere;
    /** Past the proxy. */
    let truth: Storage;
    /** Signs for the proxy's address. */
    let signing: Storage;

    beforeAll(async () => {
      server = await start();
      proxy = await startFaultProxy(server.port);
      gate = presignedGate({ silenceMs: SILENCE_MS, plainHttp: false });
    });
    afterAll(async () => {
      gate.close();
      await proxy.stop();
      await server.stop();
    });
    beforeEach(async () => {
      proxy.heal();
      const bucket = await makeBucket(server);
      truth = openStorage("s3", optionsFor(server, bucket));
      signing = openStorage("s3", { ...optionsFor(server, bucket), endpoint: proxy.endpoint });
      // What is asked once, before the first signature, is over before anything breaks.
      await write("first");
      proxy.heal();
    });

    const writeGrant = (key: string, body: Uint8Array = BODY, expiresAtMs?: number): Promise<OfferedGrant> => offeredPut(signing, { key, ...promiseOf(body) }, expiresAtMs);
    const readGrant = (key: string, expiresAtMs?: number): Promise<OfferedGrant> => offeredGet(signing, { key, sizeBytes: BODY.byteLength }, expiresAtMs);
    const write = async (key: string, through = gate): Promise<void> => through.put(await writeGrant(key), [BODY], never);
    const read = async (key: string, range?: { start: number; end: number }): Promise<Buffer> => Buffer.concat(await (await gate.get(await readGrant(key), range, never)).toArray());
    const methods = (): string[] => proxy.seen.map(({ method }) => method);
    const expectNothing = async (key: string): Promise<void> => expect(await truth.stat(key)).toBeNull();

    test.each([
      [503, "SlowDown", "STORAGE_FAILED", true],
      [429, "TooManyRequests", "STORAGE_FAILED", true],
      [500, "InternalError", "STORAGE_FAILED", true],
      [409, "ConditionalRequestConflict", "STORAGE_FAILED", true],
      [507, "InsufficientStorage", "STORAGE_FULL", true],
      [403, "SignatureDoesNotMatch", "GRANT_INVALID", false],
      [403, "RequestTimeTooSkewed", "GRANT_INVALID", false],
      [403, "AccessDenied", "GRANT_INVALID", false],
      [400, "ExpiredToken", "GRANT_INVALID", false],
      [501, "NotImplemented", "STORAGE_UNSUITABLE", false],
      [200, "Fine", "STORAGE_FAILED", true],
    ])("%i %s becomes %s: nothing is stored, and nothing is asked twice", async (status, code, told, mayHelp) => {
      for (const method of ["PUT", "GET"]) proxy.break(method, { kind: "answer", status, code });
      const error = await caught(write("k"));
      expect(error).toMatchObject({ code: told, message: expect.stringContaining("k") as string });
      expect(mayRetry(error)).toBe(mayHelp);
      if (status !== 200) expect(await caught(read("first"))).toMatchObject({ code: told });
      expect(methods()).toEqual(status === 200 ? ["PUT"] : ["PUT", "GET"]);
      await expectNothing("k");
    });

    test("a write whose answer was lost is confirmed by what the store has", async () => {
      proxy.break("PUT", { kind: "lose-answer" }, 1);
      await write("k");
      expect(methods()).toEqual(["PUT", "HEAD"]);
      expect(await truth.stat("k")).toEqual({ key: "k", sizeBytes: BODY.byteLength });
    });

    test.each<[string, number, string]>([
      ["does not tell", 503, "it does not tell"],
      ["does not know of it", 404, "it does not have it, or not yet"],
    ])("that the store %s is said, as something that may pass, and confirmed later", async (_what, status, words) => {
      proxy.break("PUT", { kind: "lose-answer" });
      proxy.break("HEAD", { kind: "answer", status, code: "" });
      const error = await caught(write("k"));
      expect(error).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining(words) as string });
      expect(mayRetry(error)).toBe(true);
      proxy.heal();
      expect(await caught(write("k"))).toMatchObject({ code: "OBJECT_EXISTS" });
      expect(await gate.confirm(await writeGrant("k"), never)).toBe(true);
      expect(await gate.confirm(await writeGrant("other"), never)).toBe(false);
      // Something else under this name is not it, of the same size or not.
      expect(await gate.confirm(await writeGrant("k", Buffer.from(BODY).fill(0, 100, 200)), never)).toBe(false);
      expect(await gate.confirm(await writeGrant("k", BODY.subarray(1)), never)).toBe(false);
    });

    test("a connection that breaks before the store has heard anything stores nothing, and may be tried again", async () => {
      proxy.break("PUT", { kind: "reset" });
      expect(mayRetry(await caught(write("k")))).toBe(true);
      await expectNothing("k");
    });

    test("a body that fails behind its last byte stores nothing", async () => {
      const cause = new Error("the source broke");
      expect(await caught(gate.put(await writeGrant("k"), brokenBehind(BODY, cause), never))).toBe(cause);
      await expectNothing("k");
    });

    test("a byte that is altered on the way is refused there, as something that may pass", async () => {
      proxy.break("PUT", { kind: "alter-request" });
      const error = await caught(write("k"));
      expect(error).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("what arrived is not what was sent") as string });
      expect(mayRetry(error)).toBe(true);
      await expectNothing("k");
    });

    test("requests whose time is over, or whose signer's clock is far off, are not taken, and a fresh one is", async () => {
      for (const wrongMs of [Date.now() - 2_000, Date.now() - 3_600_000]) {
        expect(await caught(gate.put(await writeGrant("k", BODY, wrongMs), [BODY], never))).toMatchObject({ code: "GRANT_INVALID" });
        expect(await caught(gate.get(await readGrant("first", wrongMs), undefined, never))).toMatchObject({ code: "GRANT_INVALID" });
        expect(await caught(gate.confirm(await writeGrant("first", BODY, wrongMs), never))).toMatchObject({ code: "GRANT_INVALID" });
      }
      await expectNothing("k");
      await write("k");
    });

    test("a read that is cut, ends early or comes in drops goes on at the byte that was reached, of the very same object", async () => {
      proxy.break("GET", { kind: "cut", afterBytes: 300_000 }, 1);
      proxy.break("GET", { kind: "cut", afterBytes: 200_000 }, 1);
      proxy.break("GET", { kind: "drip", pieceBytes: 20_000 }, 1);
      expect((await read("first")).equals(BODY)).toBe(true);
      const starts = proxy.seen.map(({ range }) => (range === undefined ? 0 : Number(/^bytes=(\d+)-999999$/.exec(range)?.[1])));
      expect(starts).toHaveLength(3);
      expect(starts[1]).toBeGreaterThan(0);
      expect(starts[1]).toBeLessThanOrEqual(300_000);
      expect(starts[2]).toBeGreaterThanOrEqual(starts[1]!);
      proxy.heal();
      proxy.break("GET", { kind: "cut", afterBytes: 1_000 }, 1);
      expect((await read("first", { start: 500_000, end: 600_000 })).equals(BODY.subarray(500_000, 600_000))).toBe(true);
    });

    test("an answer that is shorter than what it is for is not taken for it", async () => {
      proxy.break("GET", { kind: "truncate", toBytes: 700 });
      await expect(read("first", { start: 0, end: 1_000 })).rejects.toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("makes no sense") as string });
    });

    test("a store of which nothing is heard is given up, and an abort ends what hangs", async () => {
      const impatient = presignedGate({ silenceMs: 300, plainHttp: false });
      proxy.break("GET", { kind: "stall" });
      expect(await caught(impatient.get(await readGrant("first"), undefined, never))).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("Nothing was heard") as string });
      impatient.close();
      proxy.heal();
      proxy.break("PUT", { kind: "stall" });
      const [controller, cause] = [new AbortController(), new Error("cancelled")];
      const writing = caught(gate.put(await writeGrant("k"), [BODY], controller.signal));
      await until("the request is there", () => proxy.seen.length > 0);
      controller.abort(cause);
      expect(await writing).toBe(cause);
      await until("the connection has ended", () => proxy.seen[0]!.isClosed);
      await expectNothing("k");
    });

    test("of two that write one object one wins, and the winner's bytes stay", async () => {
      const bodies = [BODY, Buffer.from(BODY).reverse()];
      const ends = await Promise.all(bodies.map(async (body) => caught(gate.put(await writeGrant("k", body), [body], never))));
      const winner = ends.indexOf("no error");
      expect(ends[1 - winner]).toMatchObject({ code: "OBJECT_EXISTS" });
      expect((await read("k")).equals(bodies[winner]!)).toBe(true);
    });

    test("nothing is signed for a bucket without the locks that it should have", async () => {
      const bare = openStorage("s3", optionsFor(server, await makeBucket(server), { lock: { mode: "compliance" } }));
      await expect(offeredPut(bare, { key: "k", ...promiseOf(BODY) })).rejects.toMatchObject({ code: "STORAGE_UNSUITABLE" });
    });
  });
}
