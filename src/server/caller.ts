import { HoldfastError } from "../lib/errors.ts";
import type { Route } from "../model/api/route.ts";
import { mayCall, type Role } from "../model/role.ts";

/** Who calls. The application's door finds it out before a byte of the body is read. */
export type Caller =
  /** This process itself, or whoever may open the server's socket: its owner. */
  | { readonly kind: "owner" }
  | { readonly kind: "token"; readonly tokenId: string; readonly name: string; readonly role: Role }
  | { readonly kind: "agent"; readonly agentId: string; readonly name: string; readonly pools: readonly string[]; readonly isDraining: boolean }
  /** Somebody without a token. */
  | { readonly kind: "anyone" };

export const OWNER: Caller = { kind: "owner" };

/** Throws UNAUTHENTICATED or FORBIDDEN, naming the role that the route asks for, unless this caller may call it. */
export function requireRole(caller: Caller, route: Pick<Route<unknown, unknown>, "name" | "role">): void {
  if (caller.kind === "owner" || route.role === "anyone") return;
  if (caller.kind === "anyone") throw new HoldfastError("UNAUTHENTICATED", `${route.name} needs a token of the role ${route.role}.`, { hint: "Pass one with --token-file, or name it in a profile." });
  const role = caller.kind === "agent" ? "agent" : caller.role;
  if (mayCall(role, route.role)) return;
  throw new HoldfastError("FORBIDDEN", `${route.name} needs the role ${route.role}; ${caller.name} has the role ${role}.`);
}

/** For what only makes sense with an identity that was joined. */
export function requireAgentCaller(caller: Caller): Extract<Caller, { kind: "agent" }> {
  if (caller.kind === "agent") return caller;
  throw new HoldfastError("FORBIDDEN", "This is for agents that have joined, with their own token.");
}

/** Who did it, for what is kept: a token's own name, whatever its holder calls himself. */
export function nameOf(caller: Caller, said: string): string {
  return caller.kind === "token" ? `token:${caller.name}` : said;
}

/** Who it is, for what belongs to one caller alone. */
export function identityOf(caller: Caller): string {
  if (caller.kind === "token") return `token:${caller.tokenId}`;
  return caller.kind === "agent" ? `agent:${caller.agentId}` : caller.kind;
}
