import type { z } from "zod";
import type { RequiredRole } from "../role.ts";

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
  readonly input: z.ZodType<Input>;
  readonly output: z.ZodType<Output>;
}

export function route<Input, Output>(definition: Route<Input, Output>): Route<Input, Output> {
  return definition;
}
