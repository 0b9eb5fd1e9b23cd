import type { Selectable } from "kysely";
import { HoldfastError } from "../lib/errors.ts";
import { type Token, tokenSchema } from "../model/token.ts";
import type { CatalogDb, CatalogSchema } from "./schema.ts";

export type TokenRow = Selectable<CatalogSchema["token"]>;

/** What everybody may see of it: the schema drops the hash. */
function tokenOf({ id, ...row }: TokenRow): Token {
  return tokenSchema.parse({ ...row, tokenId: id });
}

export async function insertToken(db: CatalogDb, row: TokenRow): Promise<void> {
  await db.insertInto("token").values(row).execute();
}

/** With the hash of its secret; null when there is no such token. */
export async function getTokenRow(db: CatalogDb, tokenId: string): Promise<TokenRow | null> {
  return (await db.selectFrom("token").selectAll().where("id", "=", tokenId).executeTakeFirst()) ?? null;
}

/** NOT_FOUND names what was asked for. */
export async function findToken(db: CatalogDb, tokenId: string): Promise<Token> {
  const row = await getTokenRow(db, tokenId);
  if (row !== null) return tokenOf(row);
  throw new HoldfastError("NOT_FOUND", `There is no token ${tokenId}.`, { hint: "See `holdfast token list`." });
}

/** Newest first; `before` is the id of the last one already seen. */
export async function listTokens(db: CatalogDb, { before, limit }: { before?: string | undefined; limit: number }): Promise<Token[]> {
  const rows = await db
    .selectFrom("token")
    .selectAll()
    .$if(before !== undefined, (query) => query.where("id", "<", before ?? ""))
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
  return rows.map(tokenOf);
}

/** The first time counts. */
export async function revokeToken(db: CatalogDb, tokenId: string, at: string): Promise<void> {
  await db.updateTable("token").set({ revokedAt: at }).where("id", "=", tokenId).where("revokedAt", "is", null).execute();
}
