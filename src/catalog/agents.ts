import type { Selectable, Updateable } from "kysely";
import { HoldfastError } from "../lib/errors.ts";
import { type Agent, agentSchema, labelsSchema, poolsSchema } from "../model/agent.ts";
import { readJson } from "./json-column.ts";
import type { CatalogDb, CatalogSchema } from "./schema.ts";

export type AgentRow = Selectable<CatalogSchema["agent"]>;
export type InvitationRow = Selectable<CatalogSchema["invitation"]>;

/** What everybody may see of it: the schema drops hashes and session. */
export function agentOf({ id, ...row }: AgentRow): Agent {
  return agentSchema.parse({ ...row, agentId: id, pools: readJson(poolsSchema, row.pools, "agent.pools"), labels: readJson(labelsSchema, row.labels, "agent.labels") });
}

/** CONFLICT when an agent that is not revoked has this name. */
export async function insertAgent(db: CatalogDb, row: AgentRow): Promise<void> {
  const inserted = await db
    .insertInto("agent")
    .values(row)
    .onConflict((conflict) => conflict.column("openName").doNothing())
    .executeTakeFirst();
  if ((inserted.numInsertedOrUpdatedRows ?? 0n) === 0n) throw nameTaken(row.name);
}

export function nameTaken(name: string): HoldfastError {
  return new HoldfastError("CONFLICT", `There is an agent ${name} already.`, { hint: "Join under another name, or revoke the other one first (`holdfast agent revoke`)." });
}

export async function getAgentRow(db: CatalogDb, agentId: string): Promise<AgentRow | null> {
  return (await db.selectFrom("agent").selectAll().where("id", "=", agentId).executeTakeFirst()) ?? null;
}

/** By id, or by the name of one that is not revoked; NOT_FOUND names what was asked for. */
export async function findAgentRow(db: CatalogDb, nameOrId: string): Promise<AgentRow> {
  const row = await db
    .selectFrom("agent")
    .selectAll()
    .where((eb) => eb.or([eb("openName", "=", nameOrId), eb("id", "=", nameOrId)]))
    .executeTakeFirst();
  if (row !== undefined) return row;
  throw new HoldfastError("NOT_FOUND", `There is no agent called ${nameOrId}.`, { hint: "See `holdfast agent list`." });
}

/** Newest first, all or at most `limit`; `before` is the id of the last one already seen. */
export async function listAgents(db: CatalogDb, { before, limit }: { before?: string | undefined; limit?: number } = {}): Promise<Agent[]> {
  const rows = await db
    .selectFrom("agent")
    .selectAll()
    .$if(before !== undefined, (query) => query.where("id", "<", before ?? ""))
    .orderBy("id", "desc")
    .$if(limit !== undefined, (query) => query.limit(limit ?? 0))
    .execute();
  return rows.map(agentOf);
}

/** Names of agents that are not revoked. */
export async function agentNames(db: CatalogDb): Promise<Set<string>> {
  const rows = await db.selectFrom("agent").select("openName").where("openName", "is not", null).execute();
  return new Set(rows.flatMap(({ openName }) => (openName === null ? [] : [openName])));
}

/** False when it was revoked. */
export async function updateAgent(db: CatalogDb, agentId: string, patch: Omit<Updateable<CatalogSchema["agent"]>, "id">): Promise<boolean> {
  const updated = await db.updateTable("agent").set(patch).where("id", "=", agentId).where("revokedAt", "is", null).executeTakeFirst();
  return updated.numUpdatedRows > 0n;
}

export async function insertInvitation(db: CatalogDb, row: InvitationRow): Promise<void> {
  await db.insertInto("invitation").values(row).execute();
}

export async function getInvitation(db: CatalogDb, id: string): Promise<InvitationRow | null> {
  return (await db.selectFrom("invitation").selectAll().where("id", "=", id).executeTakeFirst()) ?? null;
}

/** Compare-and-set: true for the one who uses it. */
export async function useInvitation(db: CatalogDb, id: string, use: { at: string; agentId: string }): Promise<boolean> {
  const used = await db.updateTable("invitation").set({ usedAt: use.at, agentId: use.agentId }).where("id", "=", id).where("usedAt", "is", null).executeTakeFirst();
  return used.numUpdatedRows > 0n;
}
