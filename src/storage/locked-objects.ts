import { HoldfastError, isHoldfastError } from "../lib/errors.ts";

export interface LockedObject {
  readonly key: string;
  /** Null under a legal hold, which has no end of its own. */
  readonly lockedUntilMs: number | null;
}

/** What a delete throws that left these where they are; `place` is where, for people. */
export function objectsLocked(place: string, locks: readonly LockedObject[]): HoldfastError {
  const [first] = locks;
  const lockedUntilMs = first?.lockedUntilMs ?? null;
  const until = lockedUntilMs === null ? "by a legal hold" : `until ${new Date(lockedUntilMs).toISOString()}`;
  const others = locks.length > 1 ? `, and so are ${String(locks.length - 1)} more` : "";
  return new HoldfastError("OBJECT_LOCKED", `${String(first?.key)} in the ${place} is locked ${until}${others}.`, { details: { locks } });
}

/** The objects that a delete has left because they are locked; null for any other error. */
export function locksIn(error: unknown): readonly LockedObject[] | null {
  return isHoldfastError(error, "OBJECT_LOCKED") ? (error.details["locks"] as readonly LockedObject[]) : null;
}
