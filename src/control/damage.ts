import { openFindingsOfKind } from "../catalog/findings.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import type { CheckFinding } from "../model/check.ts";
import type { Damage } from "../model/damage.ts";
import { raise } from "./findings.ts";
import type { ControlPorts } from "./ports.ts";

/** Of a backup (`backup:<id>`), a piece of log (`segment:<id>`) or a document (`document:<key>`) that is not what was stored. */
export const DAMAGED_FINDING_KIND = "stored-object-damaged";
const KEYS_SHOWN = 5;

/** What is known to be damaged in storage now: restores, verifications and incrementals are not built on it. */
export async function knownDamageOf(db: CatalogDb): Promise<Damage> {
  return new Map((await openFindingsOfKind(db, DAMAGED_FINDING_KIND)).map(({ subject, message }) => [subject, message]));
}

/** Opens or renews the finding about one owner of damaged objects. */
export async function raiseDamage(ports: Pick<ControlPorts, "clock" | "newId" | "log">, db: CatalogDb, owner: string, found: readonly CheckFinding[]): Promise<void> {
  const shown = found.slice(0, KEYS_SHOWN).map(({ key, problem, detail }) => `${key} (${problem}: ${detail})`);
  const more = found.length > KEYS_SHOWN ? ` and ${String(found.length - KEYS_SHOWN)} more` : "";
  const message = `${owner.replace(":", " ")} is damaged in storage: ${shown.join("; ")}${more}.`;
  await raise(ports, db, { kind: DAMAGED_FINDING_KIND, subject: owner, severity: "critical", message, remedy: remedyFor(owner) });
}

function remedyFor(owner: string): string {
  if (owner.startsWith("backup:")) return "Do not rely on this backup: restores pass it over. Take a new full, then look at the disk below the repository.";
  if (owner.startsWith("segment:")) return "Instants behind this piece of log cannot be reached from backups before it; take a new full.";
  return "Find out who or what changed the repository. Bring the document back from a copy of the repository if there is one, then check again.";
}
