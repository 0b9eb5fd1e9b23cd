import { z } from "zod";

/** A document of this body with a signature, before anybody has looked at it. */
export function signedSchema<Body extends z.ZodType>(body: Body) {
  return z.object({ kind: z.string(), body, signature: z.object({ key: z.string(), value: z.string() }) });
}
