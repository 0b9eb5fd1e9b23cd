import { findToken, getTokenRow, insertToken, revokeToken, type TokenRow } from "../catalog/tokens.ts";
import { isoTime } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import { isSameHash, makeToken, type TokenText } from "../lib/token-text.ts";
import type { TokenRole } from "../model/role.ts";
import type { Token } from "../model/token.ts";
import type { ControlPorts } from "./ports.ts";

type Ports = Pick<ControlPorts, "catalog" | "clock" | "newId" | "log">;

/** Makes a token. Its text is given here, once; the catalog keeps a hash. */
export async function createToken(ports: Ports, request: { name: string; role: TokenRole; expiresInS?: number | undefined; by: string }): Promise<{ token: Token; text: string }> {
  const { name, role, expiresInS, by } = request;
  const id = ports.newId();
  const { text, secretHash } = makeToken("access", id);
  const nowMs = ports.clock.nowMs();
  const expiresAt = expiresInS === undefined ? null : isoTime(nowMs + expiresInS * 1_000);
  await insertToken(ports.catalog.db, { id, name, role, secretHash, createdAt: isoTime(nowMs), createdBy: by, expiresAt, revokedAt: null });
  ports.log.info({ tokenId: id, name, role, by }, "token made");
  return { token: await findToken(ports.catalog.db, id), text };
}

/** Ends a token at once. NOT_FOUND names what was asked for. */
export async function endToken(ports: Ports, tokenId: string, by: string): Promise<Token> {
  const { db } = ports.catalog;
  await findToken(db, tokenId);
  await revokeToken(db, tokenId, isoTime(ports.clock.nowMs()));
  ports.log.info({ tokenId, by }, "token revoked");
  return findToken(db, tokenId);
}

/** The token that this text is, if it is in force now. UNAUTHENTICATED says why it is not, but only to who knows its secret. */
export async function requireToken(ports: Pick<Ports, "catalog" | "clock">, text: TokenText): Promise<TokenRow> {
  const row = await getTokenRow(ports.catalog.db, text.id);
  if (row === null || !isSameHash(row.secretHash, text.secretHash)) throw new HoldfastError("UNAUTHENTICATED", "The token is not known here.");
  if (row.revokedAt !== null) throw new HoldfastError("UNAUTHENTICATED", `The token ${row.name} (${row.id}) was revoked at ${row.revokedAt}.`);
  if (row.expiresAt !== null && !(ports.clock.nowMs() < Date.parse(row.expiresAt))) throw new HoldfastError("UNAUTHENTICATED", `The token ${row.name} (${row.id}) expired at ${row.expiresAt}.`);
  return row;
}
