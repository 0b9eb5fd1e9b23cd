import type { Kysely } from "kysely";
import type { Migration } from "./index.ts";

/** Objects that are given up but still locked wait for the end of their lock. */
export const lockedObjects: Migration = {
  number: 3,
  name: "locked-objects",
  up: async (db: Kysely<unknown>) => {
    await db.schema.alterTable("doomedObject").addColumn("notBeforeMs", "bigint", (spec) => spec.notNull().defaultTo(0)).execute();
  },
};
