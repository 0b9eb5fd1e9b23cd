import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EmptyBackups } from "../../test/fakes/job-ports.ts";
import { testKey } from "../../test/fakes/packs.ts";
import type { BackupSource } from "../engines/engine.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { BackupOrder } from "../model/job.ts";
import { runBackup } from "./backup.ts";
import type { JobPorts } from "./ports.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-backup-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

/** A backup that is cancelled while its tool works, which takes its time to end. */
async function run(events: string[], hooks: BackupOrder["hooks"], refused?: string): Promise<unknown> {
  const { recipient } = await testKey();
  const work: BackupOrder = { kind: "backup", backupKind: "full", parent: null, sealing: { recipients: [recipient], metadataRecipient: recipient, compressionLevel: 1 }, rowCounts: "none", heartbeat: false, hooks };
  const stop = new AbortController();
  const stream = new Readable({
    read: () => {
      stop.abort(new HoldfastError("CANCELLED", "Job x was asked to stop."));
    },
    destroy(error, closed) {
      setTimeout(() => {
        events.push("the tool has ended");
        closed(error);
      }, 300);
    },
  });
  const source: BackupSource = { format: "fake", stream, expectedBytes: null, phase: () => "copying", facts: () => Promise.reject(new Error("not asked for")) };
  const startBackup = async (): Promise<BackupSource> => {
    events.push("the tool starts");
    return source;
  };
  const ports: JobPorts = {
    ...(await EmptyBackups.make()).ports({ work, scratchDir: dir, engine: { startBackup } }),
    signal: stop.signal,
    buffers: { bufferBytes: 32 * 1024 ** 2, spoolBytes: 0, spoolDir: join(dir, "spool") },
    runHook: async ({ hook, when }) => {
      events.push(`${when} ${hook}`);
      if (hook === refused) throw new Error("No.");
    },
  };
  return runBackup(ports, work);
}

test("the hooks after a backup do not meet its tool, which may still be ending", async () => {
  const events: string[] = [];
  await expect(run(events, { before: ["pause"], after: ["resume"] })).rejects.toMatchObject({ code: "CANCELLED" });
  expect(events).toEqual(["before pause", "the tool starts", "the tool has ended", "after resume"]);
});

test("no tool is started when a hook before it fails", async () => {
  const events: string[] = [];
  await expect(run(events, { before: ["pause"], after: ["resume"] }, "pause")).rejects.toThrow("No.");
  expect(events).toEqual(["before pause", "after resume"]);
});
