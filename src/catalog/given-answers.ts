import type { Selectable } from "kysely";
import type { CatalogDb, CatalogSchema } from "./schema.ts";

export type GivenAnswerRow = Selectable<CatalogSchema["givenAnswer"]>;

/** Compare-and-set: false when this request was begun before, and no earlier than `keptFromMs`. */
export async function beginAnswer(db: CatalogDb, row: Pick<GivenAnswerRow, "id" | "requestSha256" | "beganAtMs">, keptFromMs: number): Promise<boolean> {
  const begun = { ...row, isDone: 0, answer: null };
  const inserted = await db
    .insertInto("givenAnswer")
    .values(begun)
    .onConflict((conflict) => conflict.column("id").doUpdateSet(begun).where("givenAnswer.beganAtMs", "<", keptFromMs))
    .executeTakeFirst();
  return (inserted.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

export async function findAnswer(db: CatalogDb, id: string): Promise<GivenAnswerRow | null> {
  return (await db.selectFrom("givenAnswer").selectAll().where("id", "=", id).executeTakeFirst()) ?? null;
}

/** `answer` is JSON; null where it must not be kept. */
export async function finishAnswer(db: CatalogDb, id: string, answer: string | null): Promise<void> {
  await db.updateTable("givenAnswer").set({ isDone: 1, answer }).where("id", "=", id).execute();
}

export async function forgetAnswer(db: CatalogDb, id: string): Promise<void> {
  await db.deleteFrom("givenAnswer").where("id", "=", id).execute();
}

export async function forgetAnswersBefore(db: CatalogDb, epochMs: number): Promise<void> {
  await db.deleteFrom("givenAnswer").where("beganAtMs", "<", epochMs).execute();
}
