import type { z } from "zod";
import type { RequiredRole } from "../role.ts";

/** What an `Idempotency-Key` may be: a UUID, for example. */
export const IDEMPOTENCY_KEY_PATTERN = /^[!-~]{1,255}$/;

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/**
 * One API route as data: the server implements it, the client calls it, documents are generated from it. `:name` parts
 * of the path and, for GET, the query string are filled from `input`; for other methods the rest of `input` is the body.
 */
export interface Route<Input, Output> {
  readonly name: string;
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  /** What the caller must be; the one place where this stands. */
  readonly role: RequiredRole;
  /**
   * For what would be done twice if it came twice: a request may carry an `Idempotency-Key`. `secret`: the answer is given
   * once, to the first request, because it is not kept.
   */
  readonly once?: "answer" | "secret";
  /** Instead of one JSON document. */
  readonly answers?: "event-stream";
  readonly input: z.ZodType<Input>;
  readonly output: z.ZodType<Output>;
}

export function route<Input, Output>(definition: Route<Input, Output>): Route<Input, Output> {
  return definition;
}
