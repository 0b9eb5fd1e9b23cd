import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isHoldfastError } from "../../../lib/errors.ts";
import type { LogPiece } from "../../engine.ts";
import { FileReader } from "./file-reader.ts";
import { FileLedger } from "./ledger.ts";
import { Spool } from "./spool.ts";

const golden = await readFile(new URL("../../../../test/golden/mariadb-10.11-bin.000001", import.meta.url));
const FILE = "mariadb-bin.000001";
/** Ends of two groups inside the recorded file. */
const [FIRST_CUT, SECOND_CUT] = [1164, 2130];
const IN_NO_GROUP_END = SECOND_CUT + 100;

let dir: string;
let spool: Spool;
let ledger: FileLedger;
let ids = 0;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-"));
  spool = await Spool.create(join(dir, "1"));
  ledger = FileLedger.empty(FILE, "");
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

const receive = (endByte: number, bytes: Buffer = golden): Promise<void> => writeFile(join(spool.dir, FILE), bytes.subarray(0, endByte));
const reader = (gtidBefore = ""): FileReader => new FileReader(spool, ledger, { gtidBefore, dataIdentity: "d" });

async function readAll(from: FileReader, mergeBytes = 1_000_000): Promise<void> {
  while (await from.advance(mergeBytes)) if (from.unmergedBytes >= mergeBytes) return;
}

function commit(piece: LogPiece): string {
  ids += 1;
  piece.committed(`id${String(ids)}`);
  return `id${String(ids)}`;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(() => null, (thrown: unknown) => thrown);
  return isHoldfastError(error) ? error.code : String(error);
}

describe("a file that grows", () => {
  test("comes as tails of whole groups, which its closing segment replaces byte for byte", async () => {
    const live = reader();
    await receive(FIRST_CUT + 7);
    await readAll(live);
    const first = await live.tail();
    expect(first).toMatchObject({ kind: "tail", startPosition: 0, endPosition: FIRST_CUT, closesFile: false, replaces: [] });
    const firstId = commit(first);
    await receive(SECOND_CUT);
    await readAll(live);
    const second = await live.tail();
    expect(second).toMatchObject({ startPosition: FIRST_CUT, endPosition: SECOND_CUT, gtidBefore: first.gtidAfter });
    const secondId = commit(second);
    await receive(golden.length);
    await readAll(live);
    const last = await live.last();
    expect(last).toMatchObject({ kind: "segment", startPosition: 0, endPosition: golden.length, closesFile: true, replaces: [firstId, secondId] });
    expect(Buffer.from(last!.bytes).equals(golden)).toBe(true);
    expect(last!.groups.slice(0, first.groups.length + second.groups.length)).toEqual([...first.groups, ...second.groups]);
    commit(last!);
    expect(await live.last()).toBeNull();
  });

  test("becomes segments of about mergeBytes, cut at group ends", async () => {
    const live = reader();
    await receive(golden.length);
    const pieces: LogPiece[] = [];
    while (await live.advance(2_000)) {
      if (live.unmergedBytes < 2_000) continue;
      pieces.push(await live.segment());
      commit(pieces.at(-1)!);
    }
    pieces.push((await live.last())!);
    expect(Buffer.concat(pieces.map((piece) => piece.bytes)).equals(golden)).toBe(true);
    expect(pieces.length).toBeGreaterThan(2);
    for (const piece of pieces.slice(0, -1)) expect(piece.groups.at(-1)?.end).toBe(piece.endPosition);
    for (const [index, piece] of pieces.slice(1).entries()) expect(piece.gtidBefore).toBe(pieces[index]!.gtidAfter);
  });

  test("that a dying server left inside a group is closed with all its bytes and only whole groups", async () => {
    const live = reader();
    await receive(IN_NO_GROUP_END);
    await readAll(live);
    const last = await live.last();
    expect(last).toMatchObject({ endPosition: IN_NO_GROUP_END, closesFile: true });
    expect(last!.groups.at(-1)?.end).toBe(SECOND_CUT);
  });

  test("that was merged to its very end before the server died is closed by that piece, sent again", async () => {
    const live = reader();
    await receive(SECOND_CUT);
    await readAll(live);
    const id = commit(await live.segment());
    const last = await live.last();
    expect(last).toMatchObject({ kind: "segment", startPosition: 0, endPosition: SECOND_CUT, closesFile: true, replaces: [id] });
    commit(last!);
    expect(ledger.pieces.length).toBe(1);
  });

  test("is refused when a received bit has flipped", async () => {
    const bad = Buffer.from(golden);
    bad[SECOND_CUT + 60]! ^= 4;
    await receive(golden.length, bad);
    expect(await codeOf(readAll(reader()))).toBe("STREAM_DAMAGED");
  });
});

describe("a file of which pieces are stored", () => {
  async function storeTwoTails(): Promise<void> {
    const live = reader();
    for (const end of [FIRST_CUT, SECOND_CUT]) {
      await receive(end);
      await readAll(live);
      commit(await live.tail());
    }
  }

  test("goes on behind them, with the state of the GTIDs", async () => {
    await storeTwoTails();
    await receive(golden.length);
    const again = reader();
    await again.verify();
    await readAll(again);
    expect(await again.tail()).toMatchObject({ startPosition: SECOND_CUT, gtidBefore: "0-7-26", gtidAfter: "0-7-34,3-9-2" });
    expect((await again.last())?.replaces.length).toBe(2);
  });

  test("is refused when the server's bytes differ, though they are a sound log", async () => {
    await storeTwoTails();
    await receive(golden.length, withOtherStamp(golden));
    expect(await codeOf(reader().verify())).toBe("LINEAGE_CHANGED");
  });

  test("is refused when it knows fewer transactions than were stored before it", async () => {
    await receive(golden.length);
    const live = reader("0-7-20");
    await readAll(live);
    expect(await codeOf(live.tail())).toBe("LINEAGE_CHANGED");
  });
});

/** A bit of the magic's neighbour that no check of the events would be asked about: only the comparison can see it. */
function withOtherStamp(bytes: Buffer): Buffer {
  const other = Buffer.from(bytes);
  other.writeUInt8(other.readUInt8(21) | 1, 21);
  return other;
}
