import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { runTool } from "../../src/lib/process.ts";
import { mayRetry } from "../../src/lib/retry.ts";
import type { GateElsewhere } from "../../src/storage/gate.ts";
import { remoteGate } from "../../src/storage/remote-gate.ts";
import { brokenBehind } from "../fixtures/broken-body.ts";
import { caught } from "../fixtures/caught.ts";
import { type FaultProxy, startFaultProxy } from "../fixtures/fault-proxy.ts";
import { type GatewayGround, openGround } from "../fixtures/gateway.ts";
import { until } from "../fixtures/log-collector.ts";
import { describeUnless } from "../skip.ts";

const BODY = randomBytes(3_000_000);
/** A quarter of it is more than what a repository's disk gets at a time. */
const LARGE = randomBytes(8_000_000);
const KEY = "i/backups/b/000000.zst.age";
const never = new AbortController().signal;

let ground: GatewayGround;
let gate: GateElsewhere;

const stored = (key = KEY): Promise<Buffer | null> => readFile(join(ground.repositoryPath, key)).catch(() => null);
const unfinished = (): Promise<string[]> => readdir(join(ground.repositoryPath, ".tmp")).catch(() => []);

async function read(from: GateElsewhere, range?: { start: number; end: number }): Promise<Buffer> {
  return Buffer.concat(await (await from.get(ground.grant(BODY, { operation: "get" }), range, never)).toArray());
}

async function expectNothing(): Promise<void> {
  await until("the gateway has thrown away what it had", async () => (await unfinished()).length === 0);
  expect(await stored()).toBeNull();
}

/** Sends a part of the body, and goes on when told. */
function halves(): { body: AsyncIterable<Uint8Array>; goOn: () => void } {
  const told = Promise.withResolvers<undefined>();
  async function* body(): AsyncGenerator<Uint8Array> {
    // What stands last before a wait is held back: it could be the end.
    yield LARGE.subarray(0, LARGE.byteLength / 4);
    yield LARGE.subarray(LARGE.byteLength / 4, LARGE.byteLength / 2);
    await told.promise;
    yield LARGE.subarray(LARGE.byteLength / 2);
  }
  return { body: body(), goOn: () => told.resolve(undefined) };
}

async function hasSome(): Promise<boolean> {
  const sizes = await Promise.all((await unfinished()).map(async (name) => (await stat(join(ground.repositoryPath, ".tmp", name))).size));
  return sizes.some((sizeBytes) => sizeBytes > 0);
}

describe("a gateway that dies", () => {
  beforeEach(async () => {
    ground = await openGround();
    gate = remoteGate({ url: ground.gateway.url });
  });
  afterEach(async () => {
    gate.close();
    await ground.remove();
  });

  it("in the middle of a write has stored nothing, and stores it when it runs again", async () => {
    const { body, goOn } = halves();
    const putting = caught(gate.put(ground.grant(LARGE), body, never));
    await until("some of it is there", hasSome);
    await ground.gateway.kill9();
    goOn();
    const error = await putting;
    expect(error).toMatchObject({ code: "STORAGE_FAILED" });
    expect(mayRetry(error)).toBe(true);
    expect(await stored()).toBeNull();
    await ground.gateway.start();
    await gate.put(ground.grant(LARGE), [LARGE], never);
    expect((await stored())!.equals(LARGE)).toBe(true);
  });

  it("is said to be away, as something that may pass", async () => {
    await ground.gateway.stop();
    const error = await caught(gate.put(ground.grant(BODY), [BODY], never));
    expect(error).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining(ground.gateway.url) as string });
    expect(mayRetry(error)).toBe(true);
    expect(mayRetry(await caught(read(gate)))).toBe(true);
    expect(mayRetry(await caught(gate.confirm(ground.grant(BODY), never)))).toBe(true);
  });

  it("by order lets a write end first", async () => {
    const { body, goOn } = halves();
    const putting = gate.put(ground.grant(LARGE), body, never);
    await until("some of it is there", hasSome);
    const stopping = ground.gateway.stop();
    await until("it is told to stop", async () => (await ground.gateway.log()).some(({ msg }) => msg === "stopping"));
    goOn();
    await putting;
    expect(await stopping).toBe(0);
    expect((await stored())!.equals(LARGE)).toBe(true);
  });

  it("while an object is read is waited for, and the rest comes when it runs again", async () => {
    // More than the sockets between the two could hold.
    const large = randomBytes(40_000_000);
    await gate.put(ground.grant(large), [large], never);
    const stream = await gate.get(ground.grant(large, { operation: "get" }), undefined, never);
    const chunks: Buffer[] = [];
    for await (const chunk of stream) {
      chunks.push(chunk as Buffer);
      if (chunks.length !== 1) continue;
      await ground.gateway.kill9();
      await ground.gateway.start();
    }
    expect(Buffer.concat(chunks).equals(large)).toBe(true);
    const ranges = (await ground.gateway.log()).filter(({ msg }) => msg === "read").map(({ range }) => range as { start: number; end: number });
    expect(ranges).toHaveLength(2);
    expect(ranges[0]).toEqual({ start: 0, end: large.byteLength });
    expect(ranges[1]!.start).toBeGreaterThan(0);
  });
});

describe("between agent and gateway", () => {
  let proxy: FaultProxy;
  let through: GateElsewhere;

  beforeAll(async () => {
    ground = await openGround();
    gate = remoteGate({ url: ground.gateway.url });
    proxy = await startFaultProxy(ground.gateway.port);
    through = remoteGate({ url: proxy.endpoint });
  });
  afterAll(async () => {
    through.close();
    gate.close();
    await proxy.stop();
    await ground.remove();
  });
  beforeEach(async () => {
    proxy.heal();
    await runTool({ file: "rm", args: ["-rf", join(ground.repositoryPath, "i")] });
  });

  const puts = () => proxy.seen.filter(({ method }) => method === "PUT");

  it("the answer to a write that succeeded is lost: the gateway confirms that very object", async () => {
    proxy.break("PUT", { kind: "lose-answer" }, 1);
    await through.put(ground.grant(BODY), [BODY], never);
    expect(puts()).toHaveLength(1);
    expect(proxy.seen.map(({ method }) => method)).toEqual(["PUT", "POST"]);
    expect((await stored())!.equals(BODY)).toBe(true);
  });

  it("that answer is lost and nobody can be asked: it is said to be unknown, and confirmed later", async () => {
    proxy.break("PUT", { kind: "lose-answer" });
    proxy.break("POST", { kind: "reset" });
    const error = await caught(through.put(ground.grant(BODY), [BODY], never));
    expect(error).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("is not known") as string });
    expect(mayRetry(error)).toBe(true);
    proxy.heal();
    await expect(through.put(ground.grant(BODY), [BODY], never)).rejects.toMatchObject({ code: "OBJECT_EXISTS" });
    expect(await through.confirm(ground.grant(BODY), never)).toBe(true);
    // Something else under this name is not confirmed, of the same size or not.
    const other = Buffer.from(BODY).fill(0, 100, 200);
    expect(await through.confirm(ground.grant(other), never)).toBe(false);
    expect(await through.confirm(ground.grant(Buffer.from("x")), never)).toBe(false);
    await expect(through.confirm(ground.grant(BODY, { operation: "get" }), never)).rejects.toMatchObject({ code: "GRANT_INVALID" });
  });

  it("the connection breaks before anything arrived: nothing is stored, and nothing is asked", async () => {
    proxy.break("PUT", { kind: "reset" });
    expect(mayRetry(await caught(through.put(ground.grant(BODY), [BODY], never)))).toBe(true);
    expect(proxy.seen.map(({ method }) => method)).toEqual(["PUT"]);
    await expectNothing();
  });

  it("a body fails behind its last byte: nothing is stored", async () => {
    const cause = new Error("the source broke");
    expect(await caught(gate.put(ground.grant(BODY), brokenBehind(BODY, cause), never))).toBe(cause);
    await expectNothing();
  });

  it("a byte is altered on the way: refused there, and said as something that may pass", async () => {
    proxy.break("PUT", { kind: "alter-request" });
    const error = await caught(through.put(ground.grant(BODY), [BODY], never));
    expect(error).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("is not what was sent") as string });
    expect(mayRetry(error)).toBe(true);
    await expectNothing();
  });

  it("somebody answers who is no gateway: nothing is believed", async () => {
    proxy.break("PUT", { kind: "answer", status: 200, code: "Fine" });
    proxy.break("GET", { kind: "answer", status: 502, code: "BadGateway" });
    proxy.break("POST", { kind: "answer", status: 200, code: "Fine" });
    expect(await caught(through.put(ground.grant(BODY), [BODY], never))).toMatchObject({ code: "STORAGE_FAILED" });
    expect(await caught(read(through))).toMatchObject({ code: "STORAGE_FAILED" });
    expect(await caught(through.confirm(ground.grant(BODY), never))).toMatchObject({ code: "STORAGE_FAILED" });
    await expectNothing();
  });

  it("a read is cut, ends early, or comes in drops: the rest is asked for from the byte that was reached", async () => {
    await gate.put(ground.grant(BODY), [BODY], never);
    proxy.break("GET", { kind: "cut", afterBytes: 1_000_000 }, 1);
    proxy.break("GET", { kind: "cut", afterBytes: 500_000 }, 1);
    proxy.break("GET", { kind: "drip", pieceBytes: 50_000 }, 1);
    expect((await read(through)).equals(BODY)).toBe(true);
    const asked = proxy.seen.map(({ url }) => url.replace("/v1/object", ""));
    expect(asked[0]).toBe("");
    const starts = asked.slice(1).map((query) => Number(/^\?start=(\d+)&end=3000000$/.exec(query)?.[1]));
    expect(starts).toHaveLength(2);
    expect(starts[0]).toBeGreaterThan(0);
    expect(starts[0]).toBeLessThanOrEqual(1_000_000);
    expect(starts[1]).toBeGreaterThanOrEqual(starts[0]!);
    proxy.heal();
    proxy.break("GET", { kind: "cut", afterBytes: 1_000 }, 1);
    expect((await read(through, { start: 2_000_000, end: 2_500_000 })).equals(BODY.subarray(2_000_000, 2_500_000))).toBe(true);
  });

  it("an answer that is shorter than the range it is for makes no sense", async () => {
    await gate.put(ground.grant(BODY), [BODY], never);
    proxy.break("GET", { kind: "truncate", toBytes: 700 });
    await expect(read(through, { start: 0, end: 1_000 })).rejects.toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("makes no sense") as string });
  });

  it("nothing is heard any more: writes and reads are given up", async () => {
    await gate.put(ground.grant(BODY), [BODY], never);
    const impatient = remoteGate({ url: proxy.endpoint, silenceMs: 300 });
    proxy.break("PUT", { kind: "stall" });
    proxy.break("GET", { kind: "stall" });
    const silent = { code: "STORAGE_FAILED", message: expect.stringContaining("Nothing was heard") as string };
    expect(await caught(impatient.put(ground.grant(BODY, { key: "i/other" }), [BODY], never))).toMatchObject({ code: "STORAGE_FAILED" });
    expect(await caught(impatient.get(ground.grant(BODY, { operation: "get" }), undefined, never))).toMatchObject(silent);
    impatient.close();
    expect(await stored("i/other")).toBeNull();
  });

  it("an abort ends a write and a read that hang, with its reason, and lets go of the connection", async () => {
    await gate.put(ground.grant(BODY), [BODY], never);
    const reason = new Error("cancelled");
    for (const [method, call] of [
      ["PUT", (signal: AbortSignal) => through.put(ground.grant(BODY, { key: "i/other" }), [BODY], signal)],
      ["GET", (signal: AbortSignal) => through.get(ground.grant(BODY, { operation: "get" }), undefined, signal)],
    ] as const) {
      proxy.heal();
      proxy.break(method, { kind: "stall" });
      const controller = new AbortController();
      const ending = caught(call(controller.signal));
      await until("the request is there", () => proxy.seen.length > 0);
      controller.abort(reason);
      expect(await ending).toBe(reason);
      await until("the connection has ended", () => proxy.seen[0]!.isClosed);
    }
  });

  it("two agents write one object: one wins, the other is refused, and the winner's bytes stay", async () => {
    const bodies = [BODY, Buffer.from(BODY).reverse()];
    const gates = [gate, through];
    const ends = await Promise.all(bodies.map((body, who) => caught(gates[who]!.put(ground.grant(body), [body], never))));
    const winner = ends.indexOf("no error");
    expect(winner).toBeGreaterThanOrEqual(0);
    expect(ends[1 - winner]).toMatchObject({ code: "OBJECT_EXISTS" });
    expect((await stored())!.equals(bodies[winner]!)).toBe(true);
  });
});

const NO_MOUNT = spawnSync("unshare", ["--mount", "sh", "-c", "mount -t tmpfs tmpfs /tmp"], { stdio: "ignore" }).status === 0 ? undefined : "mounting a file system is not allowed here";

describeUnless(NO_MOUNT, "a gateway whose disk is full", () => {
  let mounted: string;
  beforeAll(async () => {
    const onSmallDisk = async (path: string): Promise<void> => {
      await runTool({ file: "mount", args: ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path] });
      mounted = path;
    };
    ground = await openGround({ prepare: onSmallDisk });
    gate = remoteGate({ url: ground.gateway.url });
  });
  afterAll(async () => {
    gate.close();
    await ground.gateway.stop();
    await runTool({ file: "umount", args: [mounted] });
    await ground.remove();
  });

  it("says so to whoever writes, keeps nothing of it, goes on to read, and stores it once there is room", async () => {
    const small = Buffer.from("small");
    await gate.put(ground.grant(small, { key: "i/small" }), [small], never);
    // More than once: no answer may get lost among bytes that are still on their way.
    for (let time = 0; time < 10; time += 1) {
      expect(await caught(gate.put(ground.grant(BODY), [BODY], never))).toMatchObject({ code: "STORAGE_FULL", message: expect.stringContaining(ground.repositoryPath) as string });
    }
    expect([await stored(), await unfinished(), await readdir(join(ground.repositoryPath, "i"))]).toEqual([null, [], ["small"]]);
    const stream = await gate.get(ground.grant(small, { operation: "get", key: "i/small" }), undefined, never);
    expect(Buffer.concat(await stream.toArray())).toEqual(small);
    await runTool({ file: "mount", args: ["-o", "remount,size=50m", ground.repositoryPath] });
    await gate.put(ground.grant(BODY), [BODY], never);
    expect((await stored())!.equals(BODY)).toBe(true);
  });
});
