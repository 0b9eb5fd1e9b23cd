import { createHash } from "node:crypto";

/** One row of `shop.orders` as the writer knows it. */
export interface OrderRow {
  readonly id: number;
  readonly customer: string;
  readonly amountCents: number;
  readonly status: string;
  readonly note: string;
  readonly payload: Buffer;
}

/** One commit: its GTID as the server gave it to the session, and what it did to rows (null: deleted). */
export interface LedgerEntry {
  readonly gtid: string;
  readonly sequence: number;
  /** When the client had the answer to COMMIT, milliseconds since 1970. */
  readonly committedAtMs: number;
  readonly changes: readonly (readonly [id: number, digest: string | null])[];
}

/** SHA-256 over all columns, lengths included so that no two rows can run together. */
export function digestOf(row: OrderRow): string {
  const hash = createHash("sha256");
  for (const column of [String(row.id), row.customer, String(row.amountCents), row.status, row.note]) {
    const bytes = Buffer.from(column, "utf8");
    hash.update(`${String(bytes.byteLength)}:`).update(bytes);
  }
  return hash.update(row.payload).digest("hex");
}

export function sequenceOf(gtid: string): number {
  const sequence = Number(gtid.split("-").at(-1));
  if (!Number.isSafeInteger(sequence)) throw new TypeError(`${gtid} is not a GTID`);
  return sequence;
}

/** What a client knows to be committed, in the server's own order: the independent witness of every restore. */
export class Ledger {
  readonly #entries: LedgerEntry[] = [];

  add(entry: Omit<LedgerEntry, "sequence">): void {
    this.#entries.push({ ...entry, sequence: sequenceOf(entry.gtid) });
  }

  /** All commits, in the order of the log. */
  entries(): LedgerEntry[] {
    return this.#entries.toSorted((a, b) => a.sequence - b.sequence);
  }

  /** Every row with its digest as of a GTID, that transaction included. */
  stateAt(gtid: string): Map<number, string> {
    const last = sequenceOf(gtid);
    const rows = new Map<number, string>();
    for (const entry of this.entries()) {
      if (entry.sequence > last) break;
      for (const [id, digest] of entry.changes) {
        if (digest === null) rows.delete(id);
        else rows.set(id, digest);
      }
    }
    return rows;
  }
}

export interface LedgerComparison {
  readonly comparedRows: number;
  /** Sentences; empty when the restored rows are exactly the ledger's. */
  readonly differences: string[];
}

export function compareRows(expected: ReadonlyMap<number, string>, found: ReadonlyMap<number, string>): LedgerComparison {
  const differences: string[] = [];
  for (const [id, digest] of expected) {
    const other = found.get(id);
    if (other === undefined) differences.push(`row ${String(id)} is missing`);
    else if (other !== digest) differences.push(`row ${String(id)} has another content`);
  }
  for (const id of found.keys()) if (!expected.has(id)) differences.push(`row ${String(id)} should not be there`);
  return { comparedRows: expected.size, differences };
}
