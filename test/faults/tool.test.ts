import { readFileSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createShop, fillShop } from "../../src/demo/shop.ts";
import { Ledger } from "../../src/demo/ledger.ts";
import { toolFile } from "../../src/engines/mysql/tools.ts";
import type { HoldfastError } from "../../src/lib/errors.ts";
import { api } from "../../src/model/api/index.ts";
import type { Finding } from "../../src/model/verification.ts";
import { expectNoTool, expectNothingLeft, expectOnlyWholeBackups, processesBelow } from "../fixtures/invariants.ts";
import { until } from "../fixtures/log-collector.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

let world: HoldfastWorld;
let binDir: string;
const pathBefore = process.env["PATH"];

beforeAll(async () => {
  // One attempt for each job: the tool does the same again each time.
  world = await startWorld({ settings: { maxAttempts: 1, heartbeatEveryMs: 500 } });
  const connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, new Ledger(), { firstId: 1, count: 2_000 });
  binDir = join(world.rootDir, "bin");
  await mkdir(binDir);
  await writeStub('exec "$real" "$@"');
  process.env["PATH"] = `${binDir}:${pathBefore ?? ""}`;
});

afterAll(async () => {
  process.env["PATH"] = pathBefore;
  await world.stop();
});

/** A mariadb-backup that answers questions as the real one does, and takes backups as `body` says. */
async function writeStub(body: string): Promise<void> {
  const real = await toolFile("mariadb-backup", "/usr/bin");
  const stub = `#!/bin/sh\nreal=${real}\nout=${world.rootDir}/out\ncase "$*" in *--backup*) ;; *) exec "$real" "$@" ;; esac\n${body}\n`;
  await writeFile(join(binDir, "mariadb-backup"), stub);
  await chmod(join(binDir, "mariadb-backup"), 0o755);
}

async function openFindings(): Promise<Finding[]> {
  return (await world.client.call(api.system.findings, { all: false })).findings;
}

async function failure(): Promise<HoldfastError> {
  return world.holdfast.backUp("full").then(
    () => {
      throw new Error("the backup was believed");
    },
    (error: unknown) => error as HoldfastError,
  );
}

/** The job failed for this reason, nothing of it counts, a finding says so, and the next good backup closes it. */
async function expectRefused(error: HoldfastError, expected: { code: string; message: RegExp }): Promise<void> {
  expect(error).toMatchObject({ code: expected.code, message: expect.stringMatching(expected.message) as unknown });
  const before = await expectOnlyWholeBackups(world, world.client);
  expect((await openFindings()).map(({ kind, message }) => ({ kind, message }))).toEqual([{ kind: "backup-failed", message: expect.stringContaining(error.message) as unknown }]);
  await expectNoTool(world);
  await writeStub('exec "$real" "$@"');
  const { backupId } = await world.holdfast.backUp("full");
  expect((await expectOnlyWholeBackups(world, world.client)).map((backup) => backup.backupId)).toEqual([backupId, ...before.map((backup) => backup.backupId)]);
  expect(await openFindings()).toEqual([]);
}

/** Slow enough to be met in the middle of its stream: it takes about 500 steps, and so many of them each second. */
const slow = (stepsPerS: number): string => `exec "$real" "$@" --throttle=${String(stepsPerS)}`;

const toolPids = (): number[] => processesBelow(world.rootDir).flatMap((line) => (line.includes("mariadb-backup --defaults-file") ? [Number(line.split(" ")[0])] : []));

function writtenBytes(pid: number): number {
  try {
    return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${String(pid)}/io`, "utf8"))?.[1]);
  } catch {
    // It ended while we looked.
    return 0;
  }
}

async function signalTool(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
  const streaming = (): number | undefined => toolPids().find((pid) => writtenBytes(pid) > 1_000_000);
  await until("the tool streams", () => streaming() !== undefined);
  process.kill(streaming()!, signal);
}

describe("a tool that is killed while it streams", () => {
  it("by SIGKILL fails the job and says so", async () => {
    await writeStub(slow(5));
    const failed = failure();
    await signalTool("SIGKILL");
    await expectRefused(await failed, { code: "TOOL_FAILED", message: /^mariadb-backup ended with signal SIGKILL/ });
  });

  it("by SIGTERM, which it puts off until it is done, leaves a whole backup or none", async () => {
    await writeStub(slow(60));
    const ended = world.holdfast.backUp("full").then(
      ({ backupId }) => backupId,
      (error: unknown) => error as HoldfastError,
    );
    await signalTool("SIGTERM");
    const result = await ended;
    if (typeof result !== "string") await expectRefused(result, { code: "TOOL_FAILED", message: /^mariadb-backup ended with (signal SIGTERM|exit code)/ });
    else expect((await expectOnlyWholeBackups(world, world.client)).map(({ backupId }) => backupId)).toContain(result);
  });

  it("because somebody cancelled the job ends within seconds, although it puts SIGTERM off, and opens no finding", async () => {
    await writeStub('exec "$real" "$@" --throttle=1');
    const { job } = await world.client.call(api.backups.run, { instance: "shop", kind: "full" });
    await until("the tool runs", () => toolPids().length > 0);
    await world.client.call(api.jobs.cancel, { jobId: job.jobId });
    await until("the job is cancelled", async () => (await world.client.call(api.jobs.show, { jobId: job.jobId })).job.state === "cancelled", 20_000);
    await expectNoTool(world);
    expect(await openFindings()).toEqual([]);
    await writeStub('exec "$real" "$@"');
  });
});

describe("a tool that says it succeeded", () => {
  it.each([
    ["but printed an error", 'echo "[00] 2026-01-01 00:00:00 [ERROR] InnoDB: a page is torn" >&2\nexec "$real" "$@"', "TOOL_FAILED", /exit code 0, but its log holds an error: .*a page is torn/],
    ["but not that it completed", 'exec "$real" "$@" 2>/dev/null', "TOOL_FAILED", /exit code 0, but its log does not end with "completed OK!"/],
    ["over a stream without its last kilobyte", '"$real" "$@" >"$out" || exit 1\nhead -c -1024 "$out"', "STREAM_DAMAGED", /stream/],
    ["over an empty stream", '"$real" "$@" >/dev/null', "STREAM_DAMAGED", /stream/],
    ["over a stream with one flipped bit", '"$real" "$@" >"$out" || exit 1\nprintf "\\\\377" | dd of="$out" bs=1 seek=3000000 conv=notrunc 2>/dev/null\ncat "$out"', "STREAM_DAMAGED", /stream/],
    ["over garbage", 'head -c 3000000 /dev/urandom\necho "completed OK!" >&2', "STREAM_DAMAGED", /stream/],
  ] as const)("%s is not believed", async (_, body, code, message) => {
    await writeStub(body);
    await expectRefused(await failure(), { code, message });
  });
});

it("nothing is left when Holdfast ends", async () => {
  await world.stopUp();
  expectNothingLeft(world);
});
