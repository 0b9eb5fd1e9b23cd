import type { CatalogDb } from "./schema.ts";

/** What a schedule is of. */
export type Track = "full" | "incremental" | "verify" | "probe";

/** `instance-id track`: what the map of all marks is keyed by. */
export function markKey(instanceId: string, track: Track): string {
  return `${instanceId} ${track}`;
}

/** The instants up to which every schedule has been served, milliseconds since 1970, by `markKey`. */
export async function scheduleMarks(db: CatalogDb): Promise<Map<string, number>> {
  const rows = await db.selectFrom("scheduleMark").select(["key", "scheduledAtMs"]).execute();
  return new Map(rows.map((row) => [row.key, row.scheduledAtMs]));
}

export async function putScheduleMark(db: CatalogDb, mark: { instanceId: string; track: Track; scheduledAtMs: number }): Promise<void> {
  await db
    .insertInto("scheduleMark")
    .values({ ...mark, key: markKey(mark.instanceId, mark.track) })
    .onConflict((conflict) => conflict.column("key").doUpdateSet({ scheduledAtMs: mark.scheduledAtMs }))
    .execute();
}
