import type { Migration } from "./index.ts";

/** Which backup another one was resealed from. */
export const resealed: Migration = {
  number: 6,
  name: "resealed",
  async up(db) {
    await db.schema.alterTable("backup").addColumn("resealedFrom", "text").execute();
  },
};
