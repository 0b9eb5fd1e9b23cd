import type { Migration } from "./index.ts";

/** Agents of other machines, the tokens with which they join, and which pool serves an instance. */
export const agents: Migration = {
  number: 5,
  name: "agents",
  async up(db) {
    await db.schema.alterTable("instance").addColumn("pool", "text", (spec) => spec.notNull().defaultTo("local")).execute();
    await db.schema
      .createTable("agent")
      .addColumn("id", "text", (spec) => spec.primaryKey().notNull())
      .addColumn("name", "text", (spec) => spec.notNull())
      .addColumn("openName", "text", (spec) => spec.unique())
      .addColumn("pools", "text", (spec) => spec.notNull())
      .addColumn("labels", "text", (spec) => spec.notNull())
      .addColumn("secretHash", "text", (spec) => spec.notNull())
      .addColumn("nextSecretHash", "text")
      .addColumn("session", "text")
      .addColumn("joinedAt", "text", (spec) => spec.notNull())
      .addColumn("lastSeenAt", "text")
      .addColumn("drainedAt", "text")
      .addColumn("revokedAt", "text")
      .execute();
    await db.schema
      .createTable("invitation")
      .addColumn("id", "text", (spec) => spec.primaryKey().notNull())
      .addColumn("secretHash", "text", (spec) => spec.notNull())
      .addColumn("name", "text")
      .addColumn("pools", "text", (spec) => spec.notNull())
      .addColumn("labels", "text", (spec) => spec.notNull())
      .addColumn("createdAt", "text", (spec) => spec.notNull())
      .addColumn("createdBy", "text", (spec) => spec.notNull())
      .addColumn("expiresAt", "text", (spec) => spec.notNull())
      .addColumn("usedAt", "text")
      .addColumn("agentId", "text")
      .execute();
  },
};
