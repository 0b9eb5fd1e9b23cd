import type { Selectable } from "kysely";
import { HoldfastError } from "../lib/errors.ts";
import type { Instance } from "../model/instance.ts";
import { readTrusted } from "./json-column.ts";
import type { CatalogDb, CatalogSchema } from "./schema.ts";

/** An instance with how its engine reaches it. The connection may name secrets' files: it never leaves the server but in orders. */
export type ConnectedInstance = Instance & { connection: Record<string, unknown>; pool?: string };

function instanceOf(row: Selectable<CatalogSchema["instance"]>): Instance {
  const { connection: _hidden, pool: _pool, ...instance } = row;
  return instance;
}

export async function insertInstance(db: CatalogDb, instance: ConnectedInstance): Promise<void> {
  await db
    .insertInto("instance")
    .values({ ...instance, connection: JSON.stringify(instance.connection) })
    .execute();
}

/** Replaces everything but id, name and age; an instance that was removed comes back. */
export async function updateInstance(db: CatalogDb, instance: Omit<ConnectedInstance, "createdAt" | "removedAt">): Promise<void> {
  const { id, ...rest } = instance;
  await db
    .updateTable("instance")
    .set({ ...rest, connection: JSON.stringify(instance.connection), removedAt: null })
    .where("id", "=", id)
    .execute();
}

export async function markInstanceRemoved(db: CatalogDb, id: string, at: string): Promise<void> {
  await db.updateTable("instance").set({ removedAt: at }).where("id", "=", id).where("removedAt", "is", null).execute();
}

export async function getInstance(db: CatalogDb, id: string): Promise<Instance | null> {
  const row = await db.selectFrom("instance").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : instanceOf(row);
}

/** By name or by id; NOT_FOUND names what was asked for. */
export async function findInstance(db: CatalogDb, nameOrId: string): Promise<Instance> {
  const row = await db
    .selectFrom("instance")
    .selectAll()
    .where((eb) => eb.or([eb("name", "=", nameOrId), eb("id", "=", nameOrId)]))
    .executeTakeFirst();
  if (row !== undefined) return instanceOf(row);
  throw new HoldfastError("NOT_FOUND", `There is no instance called ${nameOrId}.`, { hint: "See `holdfast instance list`." });
}

/** All instances in order of name, or at most `limit` behind the name `after`; with `current`, only those that the configuration names. */
export async function listInstances(db: CatalogDb, options: { current?: boolean; after?: string | undefined; limit?: number } = {}): Promise<Instance[]> {
  const { after, limit } = options;
  const all = db
    .selectFrom("instance")
    .selectAll()
    .$if(after !== undefined, (query) => query.where("name", ">", after ?? ""))
    .orderBy("name")
    .$if(limit !== undefined, (query) => query.limit(limit ?? 0));
  const rows = await (options.current === true ? all.where("removedAt", "is", null) : all).execute();
  return rows.map(instanceOf);
}

export async function getConnectedInstance(db: CatalogDb, id: string): Promise<ConnectedInstance | null> {
  const row = await db.selectFrom("instance").selectAll().where("id", "=", id).executeTakeFirst();
  if (row === undefined) return null;
  return { ...instanceOf(row), pool: row.pool, connection: readTrusted(row.connection, `connection of instance ${row.name}`) as Record<string, unknown> };
}
