import { z } from "zod";
import { HoldfastError } from "../lib/errors.ts";
import { jsonOrUndefined } from "../lib/json-or-undefined.ts";
import { type OfferedGrant, type SignedGrant, signedGrantSchema, withoutRequest } from "./grant.ts";

/**
 * What agents and the gateway say to each other; docs/gateway.md has it in words. The key of an object stands in its
 * signed grant and nowhere else: no path could say something different, and none has to be cleaned.
 */
export const OBJECT_PATH = "/v1/object";
export const CONFIRM_PATH = "/v1/confirm";

const SCHEME = "Holdfast-Grant";

/** Whole headers; a grant for the longest key that there can be takes half of it. */
export const HEADERS_LIMIT_BYTES = 16 * 1024;

/** The value of the `authorization` header that carries a grant, without what is for a store alone. */
export function grantHeader(grant: OfferedGrant): string {
  return `${SCHEME} ${Buffer.from(JSON.stringify(withoutRequest(grant))).toString("base64url")}`;
}

/** The grant of an `authorization` header, not yet checked by anybody. GRANT_INVALID when there is none that can be read. */
export function readGrantHeader(header: string | undefined): SignedGrant {
  const [, text] = /^Holdfast-Grant ([A-Za-z0-9_-]+)$/.exec(header ?? "") ?? [];
  if (text === undefined) throw new HoldfastError("GRANT_INVALID", `The request has no header \`authorization: ${SCHEME} …\` with a grant.`);
  const parsed = signedGrantSchema.safeParse(jsonOrUndefined(Buffer.from(text, "base64url").toString("utf8")));
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "the whole"}: ${message}`);
  throw new HoldfastError("GRANT_INVALID", `What the request carries as a grant is none: ${faults.join("; ")}.`, { cause: parsed.error });
}

const offsetSchema = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number);
const rangeQuerySchema = z.strictObject({ start: offsetSchema, end: offsetSchema });

/** The range that a query asks for: `?start=0&end=4096` for the bytes [0, 4096); undefined for the whole object. INPUT_INVALID for anything else. */
export function readRangeQuery(query: unknown): { start: number; end: number } | undefined {
  if (Object.keys(query as object).length === 0) return undefined;
  const parsed = rangeQuerySchema.safeParse(query);
  if (parsed.success) return parsed.data;
  throw new HoldfastError("INPUT_INVALID", "The query asks for no range of bytes; write ?start=<first>&end=<behind the last>, whole numbers both.", { cause: parsed.error });
}

export const storedAnswerSchema = z.object({ stored: z.boolean() });
