import { readJson } from "../catalog/json-column.ts";
import { postponeAllReplaced } from "../catalog/replaced-tails.ts";
import { deleteSetting, getSetting, putSetting } from "../catalog/settings.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Frozen, frozenSchema } from "../model/frozen.ts";

/**
 * A catalog that was made from a repository is frozen until a person has looked at it: nothing is scheduled, nothing is
 * deleted, no backup is begun. What was lost, forged or left out shows first. Restores and verifications go on.
 */
export async function freeze(db: CatalogDb, frozen: Frozen): Promise<void> {
  await putSetting(db, "frozen", JSON.stringify(frozen));
}

/** Since when and why; null when it is not frozen. */
export async function frozenNow(db: CatalogDb): Promise<Frozen | null> {
  const text = await getSetting(db, "frozen");
  return text === null ? null : readJson(frozenSchema, text, "setting frozen");
}

export async function isFrozen(db: CatalogDb): Promise<boolean> {
  return (await getSetting(db, "frozen")) !== null;
}

/**
 * Ends it; what it was, or null when it was not frozen. The time after which replaced tails of log go begins anew:
 * nobody could find out meanwhile what is wrong with the segments.
 */
export async function thaw(db: CatalogDb, keepReplacedUntilMs: number): Promise<Frozen | null> {
  const was = await frozenNow(db);
  if (was !== null) await postponeAllReplaced(db, keepReplacedUntilMs);
  await deleteSetting(db, "frozen");
  return was;
}

/** REFUSED, naming what was asked for, while the catalog is frozen. */
export async function refuseWhileFrozen(db: CatalogDb, what: string): Promise<void> {
  const frozen = await frozenNow(db);
  if (frozen === null) return;
  throw new HoldfastError("REFUSED", `${what} is not begun: Holdfast is frozen since its catalog was ${frozen.why} at ${frozen.at}.`, {
    hint: "Look at `holdfast status` and `holdfast doctor`, complete the configuration, then run `holdfast thaw`.",
  });
}
