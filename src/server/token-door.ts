import type { FastifyRequest } from "fastify";
import { requireAgent } from "../control/agents.ts";
import { requireToken } from "../control/tokens.ts";
import type { ControlPorts } from "../control/ports.ts";
import { HoldfastError } from "../lib/errors.ts";
import { readToken, type TokenText } from "../lib/token-text.ts";
import { roleSchema } from "../model/role.ts";
import type { Door } from "./app.ts";
import type { Caller } from "./caller.ts";
import { RateLimit } from "./rate-limit.ts";

/** From one address, and from everybody together, without a token that has opened this door before. */
const STRANGER = { perS: 5, burst: 50 };
const STRANGERS = { perS: 100, burst: 500 };
/** Seconds' worth of requests that may come at once. */
const BURST_S = 10;

/**
 * The door of the network: a request says who it is by `Authorization: Bearer <token>`, is looked up in the catalog each
 * time, so that a revoked token ends at once, and is counted. Tokens that were good before do not wait behind strangers
 * from the same address.
 */
export function tokenDoor(ports: Pick<ControlPorts, "catalog" | "clock">, { requestsPerS }: { requestsPerS: number }): Door {
  const known = new RateLimit({ perS: requestsPerS, burst: requestsPerS * BURST_S }, ports.clock);
  const stranger = new RateLimit(STRANGER, ports.clock);
  const strangers = new RateLimit(STRANGERS, ports.clock);
  const seen = new Set<string>();
  return async (request) => {
    const token = tokenOf(request);
    const isKnown = token !== null && seen.has(token.secretHash);
    if (isKnown ? !known.take(token.id) : !stranger.take(request.ip) || !strangers.take("")) {
      throw new HoldfastError("TOO_MANY_REQUESTS", isKnown ? `More than ${String(requestsPerS)} requests a second came with this token.` : "Too many requests without a known token came from this address.");
    }
    if (token === null) return { kind: "anyone" };
    try {
      const caller = await callerOf(ports, token);
      seen.add(token.secretHash);
      return caller;
    } catch (error) {
      seen.delete(token.secretHash);
      throw error;
    }
  };
}

/** Null without the header; UNAUTHENTICATED when what stands in it is no token. */
function tokenOf({ headers: { authorization } }: FastifyRequest): TokenText | null {
  if (authorization === undefined) return null;
  const [, text = ""] = /^Bearer (.+)$/i.exec(authorization) ?? [];
  const token = readToken(text);
  if (token !== null) return token;
  throw new HoldfastError("UNAUTHENTICATED", "The authorization header holds no token of Holdfast.", { hint: "Send `Authorization: Bearer hfa_…`." });
}

async function callerOf(ports: Pick<ControlPorts, "catalog" | "clock">, token: TokenText): Promise<Caller> {
  if (token.kind === "agent") {
    const { id: agentId, name, pools, drainedAt } = await requireAgent(ports, token);
    return { kind: "agent", agentId, name, pools: JSON.parse(pools) as string[], isDraining: drainedAt !== null };
  }
  if (token.kind !== "access") throw new HoldfastError("UNAUTHENTICATED", `A token to ${token.kind} does not open the API.`);
  const { id, name, role } = await requireToken(ports, token);
  return { kind: "token", tokenId: id, name, role: roleSchema.parse(role) };
}
