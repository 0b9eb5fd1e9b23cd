import type { Session } from "./connect.ts";

/**
 * A replication thread puts the events it makes to sleep (SLAVESIDE_DISABLED), as a replica must not run its source's
 * events. On a restored source they have to be what they were, so what slept through replay alone is woken.
 */

interface EventName {
  readonly schema: string;
  readonly name: string;
}

/** Events that sleep and were made on the server with this id. */
export async function eventsAsleep(session: Session, serverId: number): Promise<EventName[]> {
  const rows = await session.rows("SELECT db AS s, name AS n FROM mysql.event WHERE status = 'SLAVESIDE_DISABLED' AND originator = ?", [serverId]);
  return rows.map((row) => ({ schema: row["s"] ?? "", name: row["n"] ?? "" }));
}

/** Sets those to ENABLED that sleep now and did not before. ALTER EVENT would make us their definer. */
export async function wakeEvents(session: Session, serverId: number, asleepBefore: readonly EventName[]): Promise<void> {
  const before = new Set(asleepBefore.map((event) => JSON.stringify(event)));
  for (const event of await eventsAsleep(session, serverId)) {
    if (before.has(JSON.stringify(event))) continue;
    // `created` would change by itself.
    await session.run("UPDATE mysql.event SET status = 'ENABLED', created = created WHERE db = ? AND name = ?", [event.schema, event.name]);
  }
}
