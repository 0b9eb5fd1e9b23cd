import { attemptsInState } from "../catalog/attempts.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import { HoldfastError, toErrorRecord } from "../lib/errors.ts";
import { failAttempt } from "./end-attempt.ts";
import type { Leases } from "./leases.ts";
import type { ControlPorts, ControlSettings } from "./ports.ts";

/**
 * Gives away the work of agents that fell silent. An attempt being committed is the server's own work by then and is
 * never touched. Returns the ids of the attempts that are lost now.
 */
export async function reapExpired(ports: ControlPorts, leases: Leases, settings: Pick<ControlSettings, "leaseMs" | "maxAttempts">): Promise<string[]> {
  const lost: string[] = [];
  for (const attempt of await attemptsInState(ports.catalog.db, "running")) {
    if (!leases.expire(attempt.id)) continue;
    const silence = `Agent ${attempt.agent} was silent for more than ${String(settings.leaseMs / 1_000)} s; attempt ${attempt.id} is given up.`;
    const error = toErrorRecord(new HoldfastError("LEASE_LOST", silence, { hint: "See that the agent's process runs and reaches the server." }));
    const to = await inTransaction(ports.catalog.db, (db) => failAttempt(ports, db, attempt, { to: "lost", error, settings }));
    leases.end(attempt.id);
    if (to !== null) lost.push(attempt.id);
  }
  return lost;
}
