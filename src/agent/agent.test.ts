import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { engineStandIn, FakeGate, FakeServer, ManualClock, orderOf, probeWork, shipWork } from "../../test/fakes/agent-server.ts";
import type { JobPorts } from "../jobs/ports.ts";
import { HoldfastError } from "../lib/errors.ts";
import { idFactory } from "../lib/ids.ts";
import { silentLog } from "../lib/log.ts";
import type { Report } from "../model/job.ts";
import { embeddedQueue } from "../queue/embedded.ts";
import { type AgentOptions, runAgent } from "./agent.ts";

const done: Report = { kind: "ship" };
const unreachable = (): never => {
  throw new HoldfastError("UNREACHABLE", "Nobody answers.");
};

let root: string;
let server: FakeServer;
let clock: ManualClock;
let stop: AbortController;
let agent: Promise<void> | undefined;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hf-"));
  server = new FakeServer();
  clock = new ManualClock();
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await agent;
  await rm(root, { recursive: true, force: true });
});

function start(runJob: (ports: JobPorts) => Promise<Report>, options: Partial<AgentOptions> = {}): void {
  agent = runAgent({
    name: "a",
    client: server.client,
    gate: new FakeGate(),
    queue: embeddedQueue(),
    pools: ["local"],
    engines: new Map([["mysql", engineStandIn]]),
    maxJobs: 2,
    pollEveryMs: 10,
    scratchRoot: join(root, "s"),
    sandboxUser: undefined,
    clock,
    log: silentLog,
    newId: idFactory(),
    finishRetries: { tries: 20, firstPauseMs: 1, maxPauseMs: 5 },
    signal: stop.signal,
    runJob,
    ...options,
  });
}

/** A job that works until it is asked to stop. */
function untilAborted(ports: JobPorts): Promise<Report> {
  return new Promise((_resolve, reject) => {
    ports.signal.addEventListener("abort", () => {
      reject(ports.signal.reason as Error);
    });
  });
}

describe("the agent", () => {
  test("claims what is due, runs it in a directory of its own, and reports", async () => {
    server.due.push(orderOf(probeWork));
    const dirs: string[][] = [];
    start(async (ports) => {
      await writeFile(join(ports.scratchDir, "x"), "x");
      dirs.push(await readdir(ports.scratchDir));
      return done;
    });
    await expect.poll(() => server.finished).toMatchObject([{ outcome: { status: "done", report: done } }]);
    expect(dirs).toEqual([["x"]]);
    await expect.poll(() => readdir(join(root, "s"))).toEqual([]);
  });

  test("runs no more than maxJobs side by side, and log shipping besides", async () => {
    server.due.push(orderOf(probeWork), orderOf(probeWork), orderOf(probeWork), orderOf(shipWork), orderOf(shipWork));
    const running: string[] = [];
    start((ports) => {
      running.push(ports.order.work.kind);
      return untilAborted(ports);
    });
    await expect.poll(() => running.toSorted()).toEqual(["probe", "probe", "ship", "ship"]);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(server.due).toHaveLength(1);
  });

  test("a knock is enough: without polling only the named job is claimed", async () => {
    const [asked, other] = [orderOf(probeWork), orderOf(probeWork)];
    server.due.push(other, asked);
    const queue = embeddedQueue();
    start(() => Promise.resolve(done), { queue, pollEveryMs: null });
    // A knock before the agent listens is lost, as knocks may be: it is repeated until it was heard.
    const finished = async (): Promise<string[]> => {
      await queue.knock("local", asked.jobId);
      return server.finished.map(({ attemptId }) => attemptId);
    };
    await expect.poll(finished).toEqual([asked.attemptId]);
    expect(server.due).toEqual([other]);
  });

  test("reports a job's error as the table has it", async () => {
    server.due.push(orderOf(probeWork));
    start(() => Promise.reject(new HoldfastError("DATABASE_LOGIN", "Wrong password for bob.")));
    await expect.poll(() => server.finished).toMatchObject([{ outcome: { status: "failed", error: { code: "DATABASE_LOGIN", message: "Wrong password for bob." } } }]);
  });

  test("an instance of an unknown engine fails by name", async () => {
    server.due.push({ ...orderOf(probeWork), instance: { ...orderOf(probeWork).instance, engine: "oracle" } });
    start(() => Promise.resolve(done));
    await expect.poll(() => server.finished).toMatchObject([{ outcome: { status: "failed", error: { code: "CONFIG_INVALID" } } }]);
  });

  test("goes on after a server that did not answer its claim", async () => {
    let failures = 2;
    const { client } = server;
    server.due.push(orderOf(probeWork));
    start(() => Promise.resolve(done), { client: { call: (route, input) => (route.name === "agent.claim" && failures-- > 0 ? unreachable() : client.call(route, input)) } });
    await expect.poll(() => server.finished).toHaveLength(1);
  });

  test("sends the latest progress with each heartbeat", async () => {
    const progress = { phase: "copying", doneBytes: 5, totalBytes: 10, rateInBytesPerS: 1, rateOutBytesPerS: 1, etaMs: null, message: "" };
    server.due.push(orderOf(probeWork));
    start((ports) => {
      ports.progress(progress);
      return untilAborted(ports);
    });
    await expect.poll(() => server.beats).toContainEqual(progress);
  });
});

describe("the end of a job's right to run", () => {
  test("a cancel in the heartbeat's answer stops the job and is reported as cancelled", async () => {
    server.due.push(orderOf(probeWork));
    server.heartbeat = () => ({ leaseMs: 30_000, cancel: true });
    start(untilAborted);
    await expect.poll(() => server.finished).toMatchObject([{ outcome: { status: "cancelled" } }]);
  });

  test.each<[string, (ports: JobPorts) => Promise<Report>, object]>([
    ["done", () => Promise.resolve(done), { status: "done", report: done }],
    ["failed", () => Promise.reject(new HoldfastError("TOOL_FAILED", "It broke.")), { status: "failed", error: { code: "TOOL_FAILED" } }],
    ["cancelled", untilAborted, { status: "cancelled" }],
  ])("what its hooks could not do is told with an outcome that is %s", async (_name, job, outcome) => {
    server.due.push(orderOf(probeWork));
    let begun = false;
    server.heartbeat = () => ({ leaseMs: 30_000, cancel: begun && job === untilAborted });
    const runJob = async (ports: JobPorts): Promise<Report> => {
      begun = true;
      try {
        return await job(ports);
      } finally {
        for (const hook of ["good", "bad"]) await ports.runHook({ hook, when: "after", error: null }).catch(() => undefined);
      }
    };
    start(runJob, { hooks: new Map([["good", { command: ["/bin/true"], timeoutMs: 600_000 }], ["bad", { command: ["/bin/false"], timeoutMs: 600_000 }]]) });
    await expect.poll(() => server.finished).toMatchObject([{ outcome: { ...outcome, hookFailures: [{ hook: "bad", error: { code: "HOOK_FAILED", details: { exitCode: 1 } } }] } }]);
  });

  test("log shipping that ends well because it was cancelled is cancelled, not done", async () => {
    server.due.push(orderOf(shipWork));
    server.heartbeat = () => ({ leaseMs: 30_000, cancel: true });
    start((ports) => untilAborted(ports).catch(() => done));
    await expect.poll(() => server.finished).toMatchObject([{ outcome: { status: "cancelled" } }]);
  });

  test("a lost lease stops the job, and nothing is reported", async () => {
    server.due.push(orderOf(probeWork));
    const reasons: unknown[] = [];
    start((ports) => {
      // Not before: work whose lease is lost while its directories are made does not even begin.
      server.heartbeat = () => {
        throw new HoldfastError("LEASE_LOST", "Another attempt has it.");
      };
      return untilAborted(ports).finally(() => reasons.push(ports.signal.reason));
    });
    await expect.poll(() => reasons).toMatchObject([{ code: "LEASE_LOST" }]);
    await expect.poll(() => readdir(join(root, "s"))).toEqual([]);
    expect(server.finished).toEqual([]);
  });

  test("without a heartbeat the job stops by itself before the lease is over, by the monotonic clock alone", async () => {
    server.due.push(orderOf(probeWork, { leaseMs: 20_000 }));
    server.heartbeat = unreachable;
    const reasons: unknown[] = [];
    start((ports) => untilAborted(ports).finally(() => reasons.push(ports.signal.reason)));
    await expect.poll(() => server.beats.length).toBeGreaterThan(2);
    clock.wall += 3_600_000;
    clock.monotonic += 14_900;
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(reasons).toEqual([]);
    clock.monotonic += 200;
    await expect.poll(() => reasons).toMatchObject([{ code: "LEASE_LOST", message: expect.stringContaining("stops by itself") as string }]);
    expect(server.finished).toEqual([]);
  });

  test("a heartbeat that hangs does not keep the job alive", async () => {
    server.due.push(orderOf(probeWork, { leaseMs: 20_000 }));
    server.heartbeat = () => new Promise(() => undefined);
    let ended = false;
    start((ports) => untilAborted(ports).finally(() => (ended = true)));
    await expect.poll(() => server.beats.length).toBe(1);
    clock.monotonic += 15_100;
    await expect.poll(() => ended).toBe(true);
  });

  test("heartbeats that fail now and then do no harm", async () => {
    server.due.push(orderOf(probeWork, { leaseMs: 20_000 }));
    let beats = 0;
    server.heartbeat = () => (++beats % 2 === 1 ? unreachable() : { leaseMs: 20_000, cancel: false });
    let ended = false;
    start((ports) => untilAborted(ports).finally(() => (ended = true)));
    for (let round = 0; round < 4; round += 1) {
      const before = beats;
      await expect.poll(() => beats).toBeGreaterThan(before + 2);
      clock.monotonic += 10_000;
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(ended).toBe(false);
  });

  test("the outcome is delivered to a server that is away for a while", async () => {
    server.due.push(orderOf(probeWork));
    let failures = 5;
    server.finish = () => {
      if (failures-- > 0) unreachable();
    };
    start(() => Promise.resolve(done));
    await expect.poll(() => server.finished).toMatchObject([{ outcome: { status: "done" } }]);
  });

  test("an outcome that comes too late is not sent again", async () => {
    server.due.push(orderOf(probeWork));
    let calls = 0;
    server.finish = () => {
      calls += 1;
      throw new HoldfastError("LEASE_LOST", "Too late.");
    };
    start(() => Promise.resolve(done));
    await expect.poll(() => calls).toBe(1);
    await expect.poll(() => readdir(join(root, "s"))).toEqual([]);
    expect(calls).toBe(1);
  });
});

describe("shutdown and start", () => {
  test("stopping asks the job to end, reports it as cancelled, and removes its directory", async () => {
    server.due.push(orderOf(probeWork));
    start(untilAborted);
    await expect.poll(() => server.beats.length).toBeGreaterThan(0);
    stop.abort();
    await agent;
    expect(server.finished).toMatchObject([{ outcome: { status: "cancelled" } }]);
    expect(await readdir(join(root, "s"))).toEqual([]);
  });

  test("a job that does not end in time does not hold up the agent", async () => {
    server.due.push(orderOf(probeWork));
    let release = (): void => undefined;
    start(() => new Promise((resolve) => (release = () => { resolve(done); })), { stopWithinMs: 50 });
    await expect.poll(() => server.beats.length).toBeGreaterThan(0);
    stop.abort();
    await agent;
    expect(server.finished).toEqual([]);
    release();
    await expect.poll(() => readdir(join(root, "s"))).toEqual([]);
  });

  test("what a killed process left in the scratch space is removed at the start", async () => {
    await mkdir(join(root, "s", "old", "w"), { recursive: true });
    await writeFile(join(root, "s", "old", "owner.json"), JSON.stringify({ pid: 4_194_304, processStart: "1", attemptId: "01OLD", agent: "a" }));
    start(() => Promise.resolve(done));
    await expect.poll(() => readdir(join(root, "s"))).toEqual([]);
  });

  test("a job is told whether its result was taken: not when it failed, and not when the work was given away", async () => {
    const told: boolean[] = [];
    const run = (then: () => Report) => (ports: JobPorts): Promise<Report> => {
      ports.onEnd((isTaken) => told.push(isTaken));
      return Promise.resolve().then(then);
    };
    const jobs = [
      run(() => done),
      run(() => {
        throw new Error("no");
      }),
    ];
    start((ports) => (jobs.shift() ?? run(() => done))(ports));
    for (const expected of [[true], [true, false]]) {
      server.due.push(orderOf(probeWork));
      await expect.poll(() => told).toEqual(expected);
    }
    server.finish = () => {
      throw new HoldfastError("LEASE_LOST", "It was given away.");
    };
    server.due.push(orderOf(probeWork));
    await expect.poll(() => told).toEqual([true, false, false]);
  });
});
