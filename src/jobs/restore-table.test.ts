import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { EmptyBackups, INSTANCE_ID, sandboxStandIn } from "../../test/fakes/job-ports.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { RestoreOrder } from "../model/job.ts";
import { runRestore } from "./restore.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-tab-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it("restores the whole in an empty place when the server with the table alone dies at the very end, while it is dumped", async () => {
  const backups = await EmptyBackups.make();
  const scratchDir = join(dir, "scratch");
  const sqlPath = join(dir, "table.sql");
  const order: RestoreOrder = {
    kind: "restore",
    plan: { instanceId: INSTANCE_ID, instanceName: "shop", engine: "fake", goal: { kind: "latest" }, chain: [await backups.add("full")], segments: [], start: null, stop: null, gaps: [], steps: [], bytesToFetch: 0, expectedMs: null, warnings: [], passedOver: [] },
    target: { kind: "table", schema: "shop", table: "orders", sqlPath },
  };
  let found: string[] | undefined;
  const ports = backups.ports({
    work: order,
    scratchDir,
    engine: {
      startTableSandbox: async () => {
        for (const place of ["part", "logs"]) await mkdir(join(scratchDir, place), { recursive: true });
        return { ...sandboxStandIn, dumpTable: () => Promise.reject(new HoldfastError("SANDBOX_FAILED", "The sandbox server is gone.")) };
      },
      prepare: async () => {
        found = await readdir(scratchDir);
        return [];
      },
      startSandbox: () => Promise.resolve({ ...sandboxStandIn, dumpTable: (_table, path) => writeFile(path, "the table") }),
    },
  });
  await mkdir(scratchDir);
  const report = await runRestore(ports, order);
  expect(found?.toSorted()).toEqual(["data", "outside.json"]);
  expect(report).toMatchObject({ kind: "restore", result: { notes: [expect.stringContaining("The sandbox server is gone.")] } });
  expect(await readFile(sqlPath, "utf8")).toBe("the table");
});
