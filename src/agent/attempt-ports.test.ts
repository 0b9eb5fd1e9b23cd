import { expect, test } from "vitest";
import { engineStandIn, FakeGate, FakeServer, ManualClock, orderOf, probeWork, sha256Of } from "../../test/fakes/agent-server.ts";
import type { JobPorts } from "../jobs/ports.ts";
import { HoldfastError } from "../lib/errors.ts";
import { idFactory } from "../lib/ids.ts";
import { silentLog } from "../lib/log.ts";
import type { ObjectGate } from "../storage/gate.ts";
import { attemptPorts } from "./attempt-ports.ts";

const bytes = Buffer.from("pack");
const object = { name: "000000.zst.age", sizeBytes: bytes.length, sha256: sha256Of(bytes), chunks: [bytes] };
const broken = new HoldfastError("STORAGE_FAILED", "The disk answers slowly.");

function portsOn(gate: ObjectGate, server = new FakeServer(), signal = new AbortController().signal): JobPorts {
  return attemptPorts({
    order: orderOf(probeWork),
    engine: engineStandIn,
    client: server.client,
    gate,
    clock: new ManualClock(),
    log: silentLog,
    newId: idFactory(),
    sandboxUser: undefined,
    scratchDir: "/nowhere",
    buffers: { bufferBytes: 1, spoolBytes: 0, spoolDir: "/nowhere/spool" },
    signal,
    onProgress: () => undefined,
    onEnd: () => undefined,
    storageRetries: { tries: 4, firstPauseMs: 1, maxPauseMs: 2 },
  });
}

test("a write that fails is tried again with a fresh grant", async () => {
  const gate = new FakeGate();
  const server = new FakeServer();
  gate.failures.push({ error: broken, stored: false }, { error: broken, stored: false });
  await portsOn(gate, server).put(object);
  expect(gate.objects.get(object.name)).toEqual(bytes);
  expect([gate.puts, server.grantsGiven]).toEqual([3, 3]);
});

test("a write that goes on failing fails with the storage's own error after its tries", async () => {
  const gate = new FakeGate();
  for (let time = 0; time < 9; time += 1) gate.failures.push({ error: broken, stored: false });
  await expect(portsOn(gate).put(object)).rejects.toBe(broken);
  expect(gate.puts).toBe(4);
});

test("an error that trying again cannot mend is not tried again", async () => {
  const gate = new FakeGate();
  gate.failures.push({ error: new HoldfastError("STORAGE_READ_ONLY", "Read-only."), stored: false });
  await expect(portsOn(gate).put(object)).rejects.toMatchObject({ code: "STORAGE_READ_ONLY" });
  expect(gate.puts).toBe(1);
});

test("a write whose answer was lost is confirmed, not written again", async () => {
  const gate = new FakeGate();
  gate.failures.push({ error: broken, stored: true });
  await portsOn(gate).put(object);
  expect(gate.objects.get(object.name)).toEqual(bytes);
});

test("an object that is there at the first try belongs to somebody else and is refused", async () => {
  const gate = new FakeGate();
  gate.objects.set(object.name, bytes);
  await expect(portsOn(gate).put(object)).rejects.toMatchObject({ code: "OBJECT_EXISTS" });
});

test("after a lost answer, other bytes under the name are refused", async () => {
  const gate = new FakeGate();
  gate.failures.push({ error: broken, stored: true });
  const put = portsOn(gate).put({ ...object, chunks: [Buffer.from("other")] });
  await expect(put).rejects.toMatchObject({ code: "OBJECT_EXISTS" });
});

test("a gate that cannot confirm makes a lost answer a failure", async () => {
  const gate = new FakeGate();
  gate.failures.push({ error: broken, stored: true });
  const mute: ObjectGate = { put: (grant, body) => gate.put(grant, body), get: (grant) => gate.get(grant) };
  await expect(portsOn(mute).put(object)).rejects.toMatchObject({ code: "OBJECT_EXISTS" });
});

test("waiting for the next try ends when the job is stopped", async () => {
  const gate = new FakeGate();
  const stop = new AbortController();
  gate.failures.push({ error: broken, stored: false });
  const put = attemptPortsSlow(gate, stop.signal).put(object);
  setTimeout(() => {
    stop.abort(new HoldfastError("CANCELLED", "Stop."));
  }, 20);
  await expect(put).rejects.toMatchObject({ code: "CANCELLED" });
});

function attemptPortsSlow(gate: ObjectGate, signal: AbortSignal): JobPorts {
  const server = new FakeServer();
  return attemptPorts({ order: orderOf(probeWork), engine: engineStandIn, client: server.client, gate, clock: new ManualClock(), log: silentLog, newId: idFactory(), sandboxUser: undefined, scratchDir: "/nowhere", buffers: { bufferBytes: 1, spoolBytes: 0, spoolDir: "/nowhere/spool" }, signal, onProgress: () => undefined, onEnd: () => undefined });
}

test("one read grant serves many reads, a refused one is asked for again, and opening a header takes one of its own", async () => {
  const gate = new FakeGate();
  const server = new FakeServer();
  const ports = portsOn(gate, server);
  gate.objects.set("k", bytes);
  await ports.get("k");
  expect(Buffer.from(await ports.openHeader("k", Buffer.from("header"))).toString()).toBe("file key");
  await (await ports.get("k")).toArray();
  expect(server.grantsGiven).toBe(2);
  gate.failures.push({ error: new HoldfastError("GRANT_INVALID", "Expired."), stored: false });
  const chunks = await (await ports.get("k")).toArray();
  expect(chunks).toEqual([bytes]);
  expect(server.grantsGiven).toBe(3);
});

test("a write ends with its own signal while the job goes on", async () => {
  const ended = new AbortController();
  const gate = new FakeGate();
  const stalled: ObjectGate = { put: (_grant, _body, signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))), get: (grant) => gate.get(grant) };
  const put = portsOn(stalled).put(object, ended.signal);
  setImmediate(() => ended.abort(new Error("the spool is full")));
  await expect(put).rejects.toThrow("the spool is full");
});

test.each([[undefined], [false], [true]])("signed requests are asked for only where they are used: %s", async (takesRequests) => {
  const server = new FakeServer();
  const asked: unknown[] = [];
  const { call } = server.client;
  const listening = { client: { call: (route: never, input: never) => (asked.push(input), call(route, input)) } } as unknown as FakeServer;
  const gate = Object.assign(new FakeGate(), takesRequests === undefined ? {} : { takesRequests });
  await portsOn(gate, listening).put(object);
  expect(asked).toHaveLength(1);
  expect((asked[0] as { withRequests?: true }).withRequests).toBe(takesRequests === true ? true : undefined);
});
