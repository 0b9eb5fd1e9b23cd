import type { CatalogDb } from "./schema.ts";

/** What the installation knows of itself. */
export type SettingKey = "signingKeyFingerprint" | "highWaterMs" | "configGeneration" | "frozen" | "keptDocuments";

export async function getSetting(db: CatalogDb, key: SettingKey): Promise<string | null> {
  const row = await db.selectFrom("setting").select("value").where("key", "=", key).executeTakeFirst();
  return row?.value ?? null;
}

export async function putSetting(db: CatalogDb, key: SettingKey, value: string): Promise<void> {
  await db
    .insertInto("setting")
    .values({ key, value })
    .onConflict((conflict) => conflict.column("key").doUpdateSet({ value }))
    .execute();
}

export async function deleteSetting(db: CatalogDb, key: SettingKey): Promise<void> {
  await db.deleteFrom("setting").where("key", "=", key).execute();
}
