import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/config.ts";
import { waitForJob } from "../../src/demo/holdfast.ts";
import { Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop } from "../../src/demo/shop.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { HoldfastError } from "../../src/lib/errors.ts";
import { silentLog } from "../../src/lib/log.ts";
import { api } from "../../src/model/api/index.ts";
import type { Backup } from "../../src/model/backup.ts";
import { manifestKey } from "../../src/model/manifest.ts";
import { rebuildCatalogFrom } from "../../src/rebuild.ts";
import { expectNothingLeft, expectOnlyWholeBackups } from "../fixtures/invariants.ts";
import { type Mariadb, startMariadb } from "../fixtures/mariadb.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

let world: HoldfastWorld;
let other: Mariadb;

beforeAll(async () => {
  [world, other] = await Promise.all([startWorld(), startMariadb()]);
  const connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, new Ledger(), { firstId: 1, count: 500 });
});

afterAll(async () => {
  await world.stop();
  await other.stop();
});

async function backUp(kind: "full" | "incremental" | "auto"): Promise<Backup> {
  const { job } = await world.client.call(api.backups.run, { instance: "shop", kind });
  await waitForJob(world.client, job, world.signal);
  const { backups } = await world.client.call(api.backups.list, { limit: 1000 });
  return backups.find(({ jobId }) => jobId === job.jobId)!;
}

async function refusal(kind: "incremental" | "auto"): Promise<HoldfastError> {
  return backUp(kind).then(
    ({ backupId }) => {
      throw new Error(`${backupId} was taken`);
    },
    (error: unknown) => error as HoldfastError,
  );
}

async function pointAt(socket: string): Promise<void> {
  await world.client.call(api.system.apply, { yaml: world.yaml.replace(/socket: [^,]+/, `socket: ${socket}`), sourceName: world.configPath, dryRun: false });
}

describe("an incremental whose parent's manifest is gone from the repository", () => {
  it("is refused by the parent's name, and the next automatic backup is a full", async () => {
    const full = await backUp("full");
    const parent = await backUp("auto");
    expect(parent).toMatchObject({ kind: "incremental", parentId: full.backupId });
    await rm(join(world.repositoryPath, manifestKey(parent.instanceId, parent.backupId)));
    expect(await refusal("auto")).toMatchObject({ code: "CHAIN_BROKEN", message: expect.stringContaining(parent.backupId) as unknown });
    const { findings } = await world.client.call(api.system.findings, { all: false });
    expect(findings.map(({ kind, subject }) => `${kind} ${subject}`)).toContain(`stored-object-damaged backup:${parent.backupId}`);

    // The full below it is whole: the chain goes on from there, or anew, but never from what is gone.
    const next = await backUp("auto");
    expect(next.parentId).not.toBe(parent.backupId);
    expect(await backUp("auto")).toMatchObject({ kind: "incremental", parentId: next.backupId });
  });

  it("is refused as well when the catalog was rebuilt without the full, and the next automatic backup is a full", async () => {
    const { backups } = await world.client.call(api.backups.list, { limit: 1000 });
    await world.stopUp();
    for (const { kind, instanceId, backupId } of backups) {
      if (kind === "full") await rm(join(world.repositoryPath, manifestKey(instanceId, backupId)));
    }
    const config = parseConfig(world.yaml, world.configPath, {});
    await rebuildCatalogFrom(config, { repository: undefined, clock: systemClock, log: silentLog, signal: world.signal });
    await world.startUp();
    // A rebuilt catalog takes no backup before a person has looked.
    expect(await refusal("auto")).toMatchObject({ code: "REFUSED" });
    await world.client.call(api.system.thaw, { by: "test" });
    expect(await refusal("incremental")).toMatchObject({ code: "CHAIN_BROKEN" });
    expect(await backUp("auto")).toMatchObject({ kind: "full", parentId: null });
    expect(await backUp("auto")).toMatchObject({ kind: "incremental" });
    await expectOnlyWholeBackups(world, world.client);
  });
});

/** The backup meets the other server itself, or the log that is shipped beside it has met it before and ended the timeline. */
const LINEAGE_IS_OVER = expect.stringMatching(/^(LINEAGE_CHANGED|CHAIN_BROKEN)$/) as unknown;

describe("an instance whose name points at another server by now", () => {
  it("gets no incremental on the old server's backup; the next automatic backup is a full on a timeline of its own", async () => {
    const before = await backUp("auto");
    await pointAt(other.socket);
    expect(await refusal("incremental")).toMatchObject({ code: LINEAGE_IS_OVER });
    const full = await backUp("auto");
    expect(full).toMatchObject({ kind: "full", parentId: null });
    expect(full.timeline).not.toBe(before.timeline);
    expect(full.facts.dataIdentity).not.toBe(before.facts.dataIdentity);
    expect(await backUp("auto")).toMatchObject({ kind: "incremental", parentId: full.backupId });
  });

  it("gets no incremental on the other server's backup either after it points back", async () => {
    await pointAt(world.mariadb.socket);
    expect(await refusal("incremental")).toMatchObject({ code: LINEAGE_IS_OVER });
    expect(await backUp("auto")).toMatchObject({ kind: "full" });
    await expectOnlyWholeBackups(world, world.client);
    await world.stopUp();
    expectNothingLeft(world);
  });
});
