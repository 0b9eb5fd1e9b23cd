import { type Kysely, sql } from "kysely";
import { HoldfastError } from "../lib/errors.ts";
import { type Migration, migrations } from "./migrations/index.ts";

const VERSION_TABLE = "catalogVersion";

/** Brings the catalog to this program's form, one transaction per step. REFUSED when a newer program has changed it already. */
export async function migrate(db: Kysely<unknown>, steps: readonly Migration[] = migrations): Promise<void> {
  await db.schema
    .createTable(VERSION_TABLE)
    .ifNotExists()
    .addColumn("number", "integer", (column) => column.primaryKey().notNull())
    .addColumn("name", "text", (column) => column.notNull())
    .execute();
  const current = await catalogVersion(db);
  const newest = steps.at(-1)?.number ?? 0;
  if (current > newest) {
    throw new HoldfastError("REFUSED", `The catalog has form ${String(current)}; this program knows forms up to ${String(newest)}.`, {
      hint: "Run the newer version of Holdfast that changed it, or delete the catalog and run `holdfast catalog rebuild`.",
    });
  }
  for (const step of steps.filter(({ number }) => number > current)) {
    await db.transaction().execute(async (transaction) => {
      await step.up(transaction);
      await sql`insert into ${sql.table(VERSION_TABLE)} (number, name) values (${step.number}, ${step.name})`.execute(transaction);
    });
  }
}

/** Number of the last migration that was applied; 0 for an empty catalog. */
async function catalogVersion(db: Kysely<unknown>): Promise<number> {
  const { rows } = await sql<{ number: number | null }>`select max(number) as number from ${sql.table(VERSION_TABLE)}`.execute(db);
  return rows[0]?.number ?? 0;
}
