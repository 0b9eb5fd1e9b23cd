import { attemptsInState } from "../catalog/attempts.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { HoldfastError, toErrorRecord } from "../lib/errors.ts";
import type { Dispatcher } from "./dispatch.ts";
import { failAttempt } from "./end-attempt.ts";

/**
 * Attempts that run under an agent's name are lost, for a reason that is said of each; a commit that has begun is the
 * server's own work and goes on. Call it in a transaction, and end the leases of what it gives when that is done.
 */
export async function giveUpAttempts({ ports, settings }: Pick<Dispatcher, "ports" | "settings">, { db, agent }: { db: CatalogDb; agent: string }, why: (attemptId: string) => string): Promise<string[]> {
  const ended: string[] = [];
  for (const attempt of await attemptsInState(db, "running")) {
    if (attempt.agent !== agent) continue;
    const error = toErrorRecord(new HoldfastError("LEASE_LOST", why(attempt.id), { hint: "Nothing half-done counts as a backup; the job is tried again." }));
    await failAttempt(ports, db, attempt, { to: "lost", error, settings });
    ended.push(attempt.id);
  }
  return ended;
}
