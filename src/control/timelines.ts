import { inTransaction } from "../catalog/open-catalog.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { currentTimeline, insertTimeline, type Timeline } from "../catalog/timelines.ts";
import { isoTime } from "../lib/clock.ts";
import type { ErrorCode } from "../lib/errors.ts";
import type { ControlPorts } from "./ports.ts";

type Ports = Pick<ControlPorts, "clock" | "newId">;

/** After these the log cannot be joined to what is stored. */
const ENDS_TIMELINE: readonly ErrorCode[] = ["LINEAGE_CHANGED", "LOG_PURGED"];

/** The timeline that an instance's next backup or piece of log belongs to; the first one is begun here. */
export async function openTimeline(ports: Ports, db: CatalogDb, instanceId: string): Promise<Timeline> {
  return (await currentTimeline(db, instanceId)) ?? beginTimeline(ports, db, instanceId);
}

/** Begins a new timeline, which is the current one from now on: nothing joins what was stored before. */
export async function beginTimeline(ports: Ports, db: CatalogDb, instanceId: string): Promise<Timeline> {
  const timeline: Timeline = { id: ports.newId(), instanceId, dataIdentity: null, createdAt: isoTime(ports.clock.nowMs()) };
  await insertTimeline(db, timeline);
  return timeline;
}

/**
 * Ends the timeline of an attempt that failed because its log or its data does not go on: a new one is the current one
 * from now on, and incrementals are impossible until it has a full. Does nothing for other errors, or when a newer
 * timeline was begun already. True when one was begun.
 */
export async function endTimelineAfter(ports: Ports, catalog: CatalogDb, failed: { instanceId: string; timeline: string; code: string }): Promise<boolean> {
  if (!ENDS_TIMELINE.some((code) => code === failed.code)) return false;
  return inTransaction(catalog, async (db) => {
    const current = await currentTimeline(db, failed.instanceId);
    if (current === null || current.id !== failed.timeline) return false;
    await beginTimeline(ports, db, failed.instanceId);
    return true;
  });
}
