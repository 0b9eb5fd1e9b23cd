import type { Migration } from "./index.ts";

/** Answers to requests that carried a key of their own, so that the same one again gets the same answer. */
export const givenAnswers: Migration = {
  number: 7,
  name: "given-answers",
  async up(db) {
    await db.schema
      .createTable("givenAnswer")
      .addColumn("id", "text", (spec) => spec.primaryKey().notNull())
      .addColumn("requestSha256", "text", (spec) => spec.notNull())
      .addColumn("beganAtMs", "integer", (spec) => spec.notNull())
      .addColumn("isDone", "integer", (spec) => spec.notNull())
      .addColumn("answer", "text")
      .execute();
    await db.schema.createIndex("givenAnswerBeganAt").on("givenAnswer").column("beganAtMs").execute();
  },
};
