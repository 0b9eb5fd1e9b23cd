import type { Migration } from "./index.ts";

/** Tokens of people and programs, by the hash of their secret. */
export const tokens: Migration = {
  number: 4,
  name: "tokens",
  async up(db) {
    await db.schema
      .createTable("token")
      .addColumn("id", "text", (spec) => spec.primaryKey().notNull())
      .addColumn("name", "text", (spec) => spec.notNull())
      .addColumn("role", "text", (spec) => spec.notNull())
      .addColumn("secretHash", "text", (spec) => spec.notNull())
      .addColumn("createdAt", "text", (spec) => spec.notNull())
      .addColumn("createdBy", "text", (spec) => spec.notNull())
      .addColumn("expiresAt", "text")
      .addColumn("revokedAt", "text")
      .execute();
  },
};
