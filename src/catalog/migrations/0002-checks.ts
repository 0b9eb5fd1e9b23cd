import type { Migration } from "./index.ts";

/** What repository checks have read and found, and the documents under `_control/` that must be stored. */
export const checks: Migration = {
  number: 2,
  name: "checks",
  async up(db) {
    await db.schema
      .createTable("objectCheck")
      .addColumn("id", "text", (spec) => spec.primaryKey().notNull())
      .addColumn("repository", "text", (spec) => spec.notNull())
      .addColumn("key", "text", (spec) => spec.notNull())
      .addColumn("owner", "text", (spec) => spec.notNull())
      .addColumn("lastCheckId", "text")
      .addColumn("readAt", "text")
      .addColumn("readBytes", "bigint", (spec) => spec.notNull())
      .addColumn("problem", "text")
      .addColumn("detail", "text")
      .addColumn("foundSha256", "text")
      .execute();
    await db.schema.createIndex("objectCheckByCheck").on("objectCheck").columns(["repository", "lastCheckId"]).execute();
    await db.schema.createIndex("objectCheckByProblem").on("objectCheck").columns(["repository", "problem"]).execute();
    await db.schema
      .createTable("keptDocument")
      .addColumn("id", "text", (spec) => spec.primaryKey().notNull())
      .addColumn("repository", "text", (spec) => spec.notNull())
      .addColumn("key", "text", (spec) => spec.notNull())
      .addColumn("sizeBytes", "bigint", (spec) => spec.notNull())
      .addColumn("sha256", "text", (spec) => spec.notNull())
      .execute();
    await db.schema.createIndex("keptDocumentByRepository").on("keptDocument").columns(["repository", "key"]).execute();
  },
};
