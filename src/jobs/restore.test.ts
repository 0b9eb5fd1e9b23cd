import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { EmptyBackups, INSTANCE_ID } from "../../test/fakes/job-ports.ts";
import type { RestoreOrder } from "../model/job.ts";
import { runRestore } from "./restore.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-res-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** Prepare moves the files of tables that an incremental brings by rename, which fails between two file systems (EXDEV). */
it("unpacks incrementals beside the target, not in the scratch directory, which may be another file system; nothing but the target stays", async () => {
  const backups = await EmptyBackups.make();
  const full = await backups.add("full");
  const chain = [full, await backups.add("incremental", full.backupId), await backups.add("incremental", full.backupId)];
  const path = join(dir, "far", "target");
  const order: RestoreOrder = {
    kind: "restore",
    plan: { instanceId: INSTANCE_ID, instanceName: "shop", engine: "fake", goal: { kind: "latest" }, chain, segments: [], start: null, stop: null, gaps: [], steps: [], bytesToFetch: 0, expectedMs: null, warnings: [], passedOver: [] },
    target: { kind: "directory", path, start: false },
  };
  const prepared: string[] = [];
  const ports = backups.ports({
    work: order,
    scratchDir: dir,
    engine: {
      prepare: (_context, unpacked) => {
        prepared.push(...unpacked.map((backup) => backup.dir));
        return Promise.resolve([]);
      },
    },
  });
  await runRestore(ports, order);
  expect(prepared.map(dirname)).toEqual(chain.map(() => join(dir, "far")));
  expect(new Set(prepared).size).toBe(3);
  expect(await readdir(join(dir, "far"))).toEqual(["target"]);
});
