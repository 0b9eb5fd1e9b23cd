import type { Kysely } from "kysely";
import type { Migration } from "./index.ts";

/** Tails of log stay for a while after a segment has replaced them: what replaced them, and why they are kept for longer. */
export const replacedTails: Migration = {
  number: 9,
  name: "replaced-tails",
  up: async (db: Kysely<unknown>) => {
    for (const column of ["replacedBy", "replacedByAttempt", "keptBecause"]) await db.schema.alterTable("doomedObject").addColumn(column, "text").execute();
    await db.schema.createIndex("doomedObjectReplacedBy").on("doomedObject").column("replacedBy").execute();
  },
};
