import { z } from "zod";
import { agentRoutes } from "../model/api/agent.ts";
import { isoTimeSchema } from "../model/scalars.ts";

/** The two calls between a server and a keyholder: HTTP with JSON, over a Unix socket or mutual TLS. */
export const OPEN_PATH = agentRoutes.openKeys.path;
export const HELD_PATH = "/v1/keys/held";

export const heldSchema = z.object({
  /** Recipients whose identities the keyholder holds. */
  recipients: z.array(z.string()),
  /** By which it judges the ends of grants. */
  now: isoTimeSchema,
  /** Of the key with which the grants must be signed. */
  signingKeyFingerprint: z.string(),
});
export type Held = z.infer<typeof heldSchema>;
