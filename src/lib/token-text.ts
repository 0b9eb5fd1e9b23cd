import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { ID_PATTERN } from "./ids.ts";

/** What a text that opens something says of itself: `access` for people and programs, `join` once, `agent` afterwards. */
export const TOKEN_KINDS = { access: "hfa", join: "hfj", agent: "hfw" } as const;
export type TokenKind = keyof typeof TOKEN_KINDS;

const SECRET_BYTES = 32;
const FORM = /^(hf[ajw])_([0-9A-Z]{26})_([A-Za-z0-9_-]{43})$/;

export interface TokenText {
  readonly kind: TokenKind;
  readonly id: string;
  /** SHA-256 (hex) of the secret: 256 random bits need no slow hash. */
  readonly secretHash: string;
}

/** A new token: the text goes to its holder, once; only the hash is kept. */
export function makeToken(kind: TokenKind, id: string): { text: string; secretHash: string } {
  const secret = randomBytes(SECRET_BYTES).toString("base64url");
  return { text: `${TOKEN_KINDS[kind]}_${id}_${secret}`, secretHash: hashOf(secret) };
}

/** Takes a token's text apart; null for anything else. */
export function readToken(text: string): TokenText | null {
  const [, prefix, id = "", secret = ""] = FORM.exec(text) ?? [];
  const kind = (Object.keys(TOKEN_KINDS) as TokenKind[]).find((name) => TOKEN_KINDS[name] === prefix);
  return kind === undefined || !ID_PATTERN.test(id) ? null : { kind, id, secretHash: hashOf(secret) };
}

/** Compares two hashes in a time that tells nothing of where they differ. */
export function isSameHash(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, "hex"), Buffer.from(b, "hex")];
  return left.length > 0 && left.length === right.length && timingSafeEqual(left, right);
}

function hashOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
