import type { Policy } from "../model/policy.ts";
import { readTrusted } from "./json-column.ts";
import type { CatalogDb } from "./schema.ts";

export interface NamedPolicy {
  readonly name: string;
  readonly spec: Policy;
  /** Rises with every change. */
  readonly version: number;
}

function policyOf(row: { name: string; spec: string; version: number }): NamedPolicy {
  // Policies are stored as parsed: their durations are numbers by now, which the schema would refuse.
  return { name: row.name, spec: readTrusted(row.spec, `policy ${row.name}`) as Policy, version: row.version };
}

export async function getPolicy(db: CatalogDb, name: string): Promise<NamedPolicy | null> {
  const row = await db.selectFrom("policy").selectAll().where("name", "=", name).executeTakeFirst();
  return row === undefined ? null : policyOf(row);
}

export async function listPolicies(db: CatalogDb): Promise<NamedPolicy[]> {
  return (await db.selectFrom("policy").selectAll().orderBy("name").execute()).map(policyOf);
}

/** Adds or replaces a policy; its version rises by one when it is replaced. */
export async function putPolicy(db: CatalogDb, name: string, spec: Policy): Promise<void> {
  const text = JSON.stringify(spec);
  await db
    .insertInto("policy")
    .values({ name, spec: text, version: 1 })
    .onConflict((conflict) => conflict.column("name").doUpdateSet((eb) => ({ spec: text, version: eb("policy.version", "+", 1) })))
    .execute();
}

/** Puts a policy back as it was, with its version; does nothing when one of this name is there. */
export async function restorePolicy(db: CatalogDb, { name, spec, version }: NamedPolicy): Promise<void> {
  await db
    .insertInto("policy")
    .values({ name, spec: JSON.stringify(spec), version })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .execute();
}

export async function deletePolicy(db: CatalogDb, name: string): Promise<void> {
  await db.deleteFrom("policy").where("name", "=", name).execute();
}
