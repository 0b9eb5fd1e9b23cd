import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listBackups } from "../catalog/backups.ts";
import { listInstances } from "../catalog/instances.ts";
import { type Catalog, openCatalog } from "../catalog/open-catalog.ts";
import { doomedKeys, doomedObjects } from "../catalog/pieces-in-work.ts";
import { pieceSpans, piecesFrom } from "../catalog/segments.ts";
import { currentTimeline } from "../catalog/timelines.ts";
import { reportsOfBackup } from "../catalog/verifications.ts";
import { silentLog } from "../lib/log.ts";
import { generateSigningKey, signerFrom } from "../lib/signing.ts";
import type { Order } from "../model/job.ts";
import { logPrefix, manifestKey } from "../model/manifest.ts";
import { commitPiece } from "./commit-piece.ts";
import { keysOf, openWorld, storeBackup, storePiece, submit, type World } from "./control.fixture.ts";
import { claim } from "./dispatch.ts";
import { finishAttempt } from "./finish.ts";
import { frozenNow } from "./frozen.ts";
import { placeHold, releaseHolds } from "./holds.ts";
import { recoverAtStart } from "./loops.ts";
import { DEFAULT_SETTINGS } from "./ports.ts";
import { rebuildCatalog } from "./rebuild.ts";
import { bringTailsBack, doubtSegments } from "./replaced-tails.ts";
import { readDocument, writeDocument } from "./stored-document.ts";

describe("a rebuilt catalog", () => {
  let world: World;
  let dir: string;
  let fresh: Catalog;
  beforeEach(async () => {
    world = await openWorld();
    await recoverAtStart(world.dispatcher);
    dir = await mkdtemp(join(tmpdir(), "hf-reb-"));
    fresh = await openCatalog({ path: join(dir, "catalog.db"), log: silentLog });
  });
  afterEach(async () => {
    await world.close();
    await fresh.close();
    await rm(dir, { recursive: true });
  });
  const rebuild = (fingerprint = world.ports.signer.fingerprint) =>
    rebuildCatalog({ db: fresh.db, repository: "main", storage: world.storage, expectedFingerprint: fingerprint, clock: world.ports.clock, log: silentLog });
  const start = async (params: Parameters<typeof submit>[1]): Promise<Order> => {
    const { jobId } = await submit(world, params);
    world.pass(1_000);
    return (await claim(world.dispatcher, { agent: "a", jobId }))!;
  };
  const backup = async (backupKind: "full" | "incremental", facts: Parameters<typeof storeBackup>[2]): Promise<string> => {
    const order = await start({ kind: "backup", backupKind });
    await finishAttempt(world.ports, world.dispatcher, order, { status: "done", report: await storeBackup(world, order, facts) });
    return order.attemptId;
  };
  const verify = async (backupId: string): Promise<void> => {
    const order = await start({ kind: "verify", backupId, tier: "T3" });
    const result = { tier: "T3", status: "passed", checks: [], phases: [{ name: "fetch", durationMs: 7, bytes: 1 }], replayedTo: null, counts: [], toolVersions: {} } as const;
    await finishAttempt(world.ports, world.dispatcher, order, { status: "done", report: { kind: "verify", result: { ...result, checks: [], phases: [...result.phases], counts: [] } } });
  };

  it("has the same backups, holds, verifications, pieces and instance", async () => {
    const full = await backup("full", {});
    const incremental = await backup("incremental", { fromLsn: "18446744073709551000", toLsn: "18446744073709551999" });
    const order = await start({ kind: "ship" });
    const tail = await storePiece(world, order, { startPosition: 0, endPosition: 100 });
    await commitPiece(world.ports, order, tail);
    await commitPiece(world.ports, order, await storePiece(world, order, { kind: "segment", startPosition: 0, endPosition: 150, replaces: [tail.segmentId] }));
    await commitPiece(world.ports, order, await storePiece(world, order, { startPosition: 150, endPosition: 180 }));
    await verify(full);
    await placeHold(world.ports, { backupId: full, reason: "audit", by: "ann" });
    await releaseHolds(world.ports, { backupId: full, by: "bob" });
    await placeHold(world.ports, { backupId: incremental, reason: "court", by: "ann" });

    expect(await rebuild()).toEqual({ backups: 2, segments: 2, verifications: 1, holds: 2, refused: [], missing: [] });
    const { db } = world.ports.catalog;
    expect(await listBackups(fresh.db, { limit: 10 })).toEqual(await listBackups(db, { limit: 10 }));
    expect((await listBackups(fresh.db, { limit: 10 }))[0]?.holds).toMatchObject([{ reason: "court" }]);
    expect(await pieceSpans(fresh.db, world.instanceId)).toEqual(await pieceSpans(db, world.instanceId));
    const place = { instanceId: world.instanceId, timeline: (await currentTimeline(db, world.instanceId))!.id, fromFile: 0 };
    expect(await piecesFrom(fresh.db, place)).toEqual(await piecesFrom(db, place));
    expect(await reportsOfBackup(fresh.db, full)).toEqual(await reportsOfBackup(db, full));
    expect(await currentTimeline(fresh.db, world.instanceId)).toMatchObject({ id: place.timeline, dataIdentity: "uid-1" });
    expect(await listInstances(fresh.db)).toMatchObject([{ id: world.instanceId, name: "shop", engine: "mysql", policy: "daily" }]);
    expect(await frozenNow(fresh.db)).toMatchObject({ why: "rebuilt" });
    expect(await rebuild()).toMatchObject({ backups: 2, segments: 2 });
  });

  it("refuses forged, altered, misplaced and foreign documents, each by name, and takes the rest", async () => {
    const good = await backup("full", {});
    const text = await readDocument(world.storage, manifestKey(world.instanceId, good));
    const document = JSON.parse(text) as { kind: string; body: Record<string, unknown>; signature: { key: string; value: string } };
    const key = (): string => manifestKey(world.instanceId, world.ports.newId());
    const other = world.ports.newId();
    const stranger = signerFrom(generateSigningKey());
    const forgeries: [string, unknown][] = [
      [key(), stranger.sign(document.kind, document.body)],
      [key(), { ...stranger.sign(document.kind, document.body), signature: { ...stranger.sign(document.kind, document.body).signature, key: world.ports.signer.fingerprint } }],
      [key(), { ...document, body: { ...document.body, policy: "other" } }],
      [key(), document],
      [manifestKey(world.instanceId, other), world.ports.signer.sign(document.kind, { ...document.body, backupId: other, repositoryId: world.ports.newId() })],
      [key(), "no document"],
    ];
    for (const [place, forged] of forgeries) await writeDocument(world.storage, place, JSON.stringify(forged));
    const { refused, backups } = await rebuild();
    expect(backups).toBe(1);
    expect(refused.map((line) => line.split(":")[0]).sort()).toEqual(forgeries.map(([place]) => place).sort());
    expect((await listBackups(fresh.db, { limit: 10 })).map(({ backupId }) => backupId)).toEqual([good]);
  });

  it("says which manifests are gone that are held or built upon", async () => {
    const full = await backup("full", {});
    const incremental = await backup("incremental", { fromLsn: "18446744073709551000", toLsn: "18446744073709551999" });
    const other = await backup("full", {});
    const released = await backup("full", {});
    await placeHold(world.ports, { backupId: other, reason: "court", by: "ann" });
    await placeHold(world.ports, { backupId: released, reason: "audit", by: "ann" });
    await releaseHolds(world.ports, { backupId: released, by: "bob" });
    await world.storage.delete([full, other, released].map((backupId) => manifestKey(world.instanceId, backupId)));
    const { missing } = await rebuild();
    expect(missing).toHaveLength(2);
    expect(missing[0]).toContain(`${full} is not in this repository; ${incremental} builds on it`);
    expect(missing[1]).toContain(`${other} is not in this repository; ann holds it`);
  });

  it("keeps tails whose segment is stored for the whole time anew, as no pieces, and knows them when the segment is of no use", async () => {
    const order = await start({ kind: "ship" });
    const tail = await storePiece(world, order, { startPosition: 0, endPosition: 100 });
    await commitPiece(world.ports, order, tail);
    const segment = await storePiece(world, order, { kind: "segment", startPosition: 0, endPosition: 150, replaces: [tail.segmentId] });
    await commitPiece(world.ports, order, segment);
    world.pass(DEFAULT_SETTINGS.keepReplacedMs + 1);
    expect(await rebuild()).toMatchObject({ segments: 1, refused: [] });
    expect(await rebuild()).toMatchObject({ segments: 1, refused: [] });
    const prefix = logPrefix(world.instanceId, order.work.kind === "ship" ? order.work.timeline : "");
    const keys = await keysOf(world.storage, `${prefix}${tail.segmentId}`);
    expect((await doomedKeys(fresh.db, "main")).sort()).toEqual(keys);
    expect(keys).toHaveLength(3);
    const due = () => doomedObjects(fresh.db, { nowMs: world.ports.clock.nowMs(), limit: 10 });
    world.pass(DEFAULT_SETTINGS.keepReplacedMs - 1);
    expect(await due()).toEqual([]);
    await doubtSegments(world.ports, fresh.db, [segment.segmentId], "rubbish.");
    await bringTailsBack({ ...world.ports, catalog: fresh });
    expect((await pieceSpans(fresh.db, world.instanceId)).map(({ id }) => id)).toEqual([tail.segmentId]);
    world.pass(1);
    expect(await due()).toEqual([]);
  });

  it("believes no repository with another signing key", async () => {
    await expect(rebuild(signerFrom(generateSigningKey()).fingerprint)).rejects.toMatchObject({ code: "REPOSITORY_FOREIGN" });
  });
});
