import type { Migration } from "./index.ts";

/** What has changed, in order, for those who follow it. */
export const events: Migration = {
  number: 8,
  name: "events",
  async up(db) {
    await db.schema
      .createTable("event")
      .addColumn("id", "integer", (spec) => spec.primaryKey().autoIncrement().notNull())
      .addColumn("kind", "text", (spec) => spec.notNull())
      .addColumn("subjectId", "text", (spec) => spec.notNull())
      .execute();
  },
};
