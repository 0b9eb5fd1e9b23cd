import { closeFinding, openFinding } from "../catalog/findings.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { isoTime } from "../lib/clock.ts";
import type { Finding } from "../model/verification.ts";
import type { ControlPorts } from "./ports.ts";

export type FindingWords = Pick<Finding, "kind" | "subject" | "severity" | "message" | "remedy">;

/** Opens a finding, or renews the words of the open one of the same kind and subject. */
export async function raise(ports: Pick<ControlPorts, "clock" | "newId" | "log">, db: CatalogDb, words: FindingWords): Promise<void> {
  const isNew = await openFinding(db, { ...words, findingId: ports.newId(), openedAt: isoTime(ports.clock.nowMs()) });
  if (isNew) ports.log.warn({ finding: words.kind, subject: words.subject }, words.message);
}

/** Closes what is no longer wrong; does nothing when nothing was. */
export async function clear(ports: Pick<ControlPorts, "clock" | "log">, db: CatalogDb, gone: Pick<Finding, "kind" | "subject">): Promise<void> {
  const closed = await closeFinding(db, gone.kind, gone.subject, isoTime(ports.clock.nowMs()));
  if (closed) ports.log.info({ finding: gone.kind, subject: gone.subject }, "finding closed");
}
