import { describe, expect, test } from "vitest";
import { isHoldfastError } from "../../../lib/errors.ts";
import type { ShippedPiece } from "../../../model/job.ts";
import { FileLedger } from "./ledger.ts";
import { ledgerToBegin, serverHasMore } from "./where-to-begin.ts";

const file = (number: number): string => `bin.${String(number).padStart(6, "0")}`;
const server = (from: number, to: number, sizeBytes = 1_000) => ({
  dataIdentity: "d",
  files: Array.from({ length: to - from + 1 }, (_, index) => ({ name: file(from + index), sizeBytes })),
});
const piece = (number: number, range: readonly [number, number], more: Partial<ShippedPiece> = {}): ShippedPiece => ({
  segmentId: `${String(number)}-${range.join("-")}-${more.kind ?? "segment"}`,
  kind: "segment",
  file: file(number),
  startPosition: range[0],
  endPosition: range[1],
  plainSha256: "0".repeat(64),
  gtidAfter: "0-1-5",
  closesFile: false,
  ...more,
});

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return isHoldfastError(error) ? error.code : String(error);
  }
  return "none";
}

describe("where following begins", () => {
  test("at the stored file, else at the named one, else at the server's current one", () => {
    expect(ledgerToBegin(server(1, 5), FileLedger.of([piece(3, [0, 500])]), null)).toMatchObject({ file: file(3), shippedEnd: 500 });
    expect(ledgerToBegin(server(1, 5), null, { file: file(2), position: 400, gtid: "" })).toMatchObject({ file: file(2), shippedEnd: 0 });
    expect(ledgerToBegin(server(1, 5), null, null).file).toBe(file(5));
  });

  test("a stored file that is closed may be gone; then the next one begins, with the state of the GTIDs", () => {
    const closed = FileLedger.of([piece(3, [0, 500], { closesFile: true })]);
    expect(ledgerToBegin(server(4, 6), closed, null)).toMatchObject({ file: file(4), gtidAfter: "0-1-5", shippedEnd: 0 });
    expect(codeOf(() => ledgerToBegin(server(5, 6), closed, null))).toBe("LOG_PURGED");
  });

  test("a purged file is named; a newer, shorter or renamed log is another lineage", () => {
    const stored = FileLedger.of([piece(3, [0, 500])]);
    expect(codeOf(() => ledgerToBegin(server(4, 6), stored, null))).toBe("LOG_PURGED");
    expect(codeOf(() => ledgerToBegin(server(4, 6), null, { file: file(3), position: 4, gtid: "" }))).toBe("LOG_PURGED");
    expect(codeOf(() => ledgerToBegin(server(1, 2), stored, null))).toBe("LINEAGE_CHANGED");
    expect(codeOf(() => ledgerToBegin(server(1, 5, 499), stored, null))).toBe("LINEAGE_CHANGED");
    expect(codeOf(() => ledgerToBegin({ dataIdentity: "d", files: [{ name: "other.000003", sizeBytes: 900 }] }, stored, null))).toBe("LINEAGE_CHANGED");
  });

  test("a server has more when its file is longer or a later one is there", () => {
    expect(serverHasMore(server(1, 3), { file: file(3), sizeBytes: 1_000 })).toBe(false);
    expect(serverHasMore(server(1, 3), { file: file(3), sizeBytes: 999 })).toBe(true);
    expect(serverHasMore(server(1, 3), { file: file(2), sizeBytes: 1_000 })).toBe(true);
  });
});

describe("what is kept of a file", () => {
  test("is what joins from its head: segments before tails, newest file only", () => {
    const ledger = FileLedger.of([
      piece(2, [0, 900], { closesFile: true }),
      piece(3, [0, 100], { kind: "tail" }),
      piece(3, [0, 200]),
      piece(3, [200, 300], { kind: "tail" }),
      piece(3, [300, 350], { kind: "tail" }),
      piece(3, [400, 500], { kind: "tail" }),
    ]);
    expect(ledger).toMatchObject({ file: file(3), mergedEnd: 200, shippedEnd: 350, closed: false });
    expect(ledger?.tailIds()).toEqual(["3-200-300-tail", "3-300-350-tail"]);
    expect(FileLedger.of([])).toBeNull();
  });

  test("a segment takes the place of its tails", () => {
    const ledger = FileLedger.of([piece(3, [0, 200]), piece(3, [200, 300], { kind: "tail" })])!;
    ledger.add(piece(3, [200, 400], { segmentId: "new" }), { gtidAfter: "0-1-9", closed: true });
    expect(ledger.pieces.map((kept) => [kept.kind, kept.startPosition, kept.endPosition])).toEqual([["segment", 0, 200], ["segment", 200, 400]]);
    expect(ledger).toMatchObject({ mergedEnd: 400, shippedEnd: 400, closed: true, gtidAfter: "0-1-9" });
    expect(ledger.tailIds()).toEqual([]);
  });
});
