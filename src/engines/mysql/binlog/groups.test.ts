import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isHoldfastError } from "../../../lib/errors.ts";
import { runTool } from "../../../lib/process.ts";
import type { LogGroup } from "../../../model/log-groups.ts";
import { groupsOf, LogScanner, stateAtHead } from "./groups.ts";

/** A file of MariaDB 10.11.19: DDL, transactions, compressed rows, statement format, XA, two domains, a stamp in 2033. */
const GOLDEN = new URL("../../../../test/golden/mariadb-10.11-bin.000001", import.meta.url);
const golden = readFileSync(GOLDEN);
const FILE = "mariadb-bin.000001";
const whole = groupsOf(golden, 0, stateAtHead(FILE));
const groupOf = (gtid: string): LogGroup | undefined => whole.groups.find((group) => group.gtid === gtid);

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return null;
}

describe("the groups of a recorded file", () => {
  test("are those that mariadb-binlog prints", async () => {
    const { stdout } = await runTool({ file: "mariadb-binlog", args: ["--no-defaults", "--base64-output=decode-rows", GOLDEN.pathname] });
    expect(whole.groups.map((group) => group.gtid)).toEqual([...stdout.matchAll(/\tGTID (\d+-\d+-\d+)/g)].map((match) => match[1]));
    const ends = new Set([...stdout.matchAll(/end_log_pos (\d+) /g)].map((match) => Number(match[1])));
    expect(whole.groups.every((group) => ends.has(group.end))).toBe(true);
    for (const [index, group] of whole.groups.entries()) if (index > 0) expect(group.start).toBe(whole.groups[index - 1]!.end);
  });

  test("carry state, kind, duration, tables and thread of each", () => {
    expect(whole).toMatchObject({ gtidBefore: "0-7-19", gtidAfter: "0-7-34,3-9-2", wholeBytes: golden.length, closesFile: true });
    expect(groupOf("0-7-20")).toMatchObject({ ddl: true, statement: expect.stringMatching(/^create table orders/) as unknown, tables: [] });
    expect(groupOf("0-7-22")).toMatchObject({ ddl: false, statement: null, tables: [{ name: "shop.orders", bytes: 133 }] });
    expect(groupOf("0-7-24")?.stampS).toBe(2_000_000_000);
    expect(groupOf("0-7-26")).toMatchObject({ durationS: 1, ddl: false, statement: expect.stringMatching(/^insert into orders .*sleep/) as unknown });
    expect(groupOf("0-7-29")).toMatchObject({ ddl: false, statement: "XA COMMIT X'71',X'',1" });
    expect(groupOf("0-7-32")).toMatchObject({ tables: [{ name: "shop.copy", bytes: 5932 }] });
    expect(groupOf("3-9-2")).toMatchObject({ ddl: true, threadId: 12 });
  });

  test("come out the same however the bytes arrive", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: golden.length - 1 }), { maxLength: 12 }), (cuts) => {
        const scanner = new LogScanner(stateAtHead(FILE), 0);
        const groups: LogGroup[] = [];
        for (const end of [...cuts.sort((a, b) => a - b), golden.length]) {
          scanner.feed(golden.subarray(scanner.position, end));
          const taken = scanner.take();
          groups.push(...taken.groups);
          expect(scanner.wholeEnd).toBeLessThanOrEqual(end);
        }
        expect(groups).toEqual(whole.groups);
      }),
    );
  });

  test("can be walked on from the end of any whole part, with the state going over", () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: golden.length }), (end) => {
        const first = groupsOf(golden.subarray(0, end), 0, stateAtHead(FILE));
        const second = groupsOf(golden.subarray(first.wholeBytes), first.wholeBytes, first.state);
        expect([...first.groups, ...second.groups]).toEqual(whole.groups);
        expect(first.wholeBytes).toBeLessThanOrEqual(end);
        if (second.groups.length > 0 && first.groups.length > 0) expect(second.gtidBefore).toBe(first.gtidAfter);
        expect(second.gtidAfter).toBe(whole.gtidAfter);
      }),
    );
  });

  test("a file that ends inside a group gives the groups before it, and no close", () => {
    const group = groupOf("0-7-32")!;
    const cut = groupsOf(golden.subarray(0, group.end - 1), 0, stateAtHead(FILE));
    expect(cut).toMatchObject({ wholeBytes: group.start, closesFile: false, gtidAfter: "0-7-31" });
    expect(cut.groups.at(-1)?.gtid).toBe("0-7-31");
  });

  test("the scanner stops at the first group end behind the limit", () => {
    const scanner = new LogScanner(stateAtHead(FILE), 0);
    const group = groupOf("0-7-27")!;
    scanner.feed(golden, group.start + 1);
    expect(scanner.wholeEnd).toBe(group.end);
  });
});

describe("a damaged stream is refused with file and offset", () => {
  test("whatever single bit flips", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: golden.length - 1 }), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        // The flag "in use" of the first event is the one bit the server's own checksum leaves out.
        fc.pre(!(at === 21 && bit === 0));
        const bytes = Buffer.from(golden);
        bytes[at]! ^= 1 << bit;
        const error = thrownBy(() => groupsOf(bytes, 0, stateAtHead(FILE)));
        expect(isHoldfastError(error, "STREAM_DAMAGED"), `bit ${String(bit)} of byte ${String(at)}`).toBe(true);
        expect((error as Error).message).toContain(`${FILE}:`);
      }),
      { numRuns: 2_000 },
    );
  });

  test("when an event is missing", () => {
    const group = groupOf("0-7-25")!;
    const bytes = Buffer.concat([golden.subarray(0, group.start), golden.subarray(group.end)]);
    expect(isHoldfastError(thrownBy(() => groupsOf(bytes, 0, stateAtHead(FILE))), "STREAM_DAMAGED")).toBe(true);
  });

  test("when the file is none", () => {
    expect(isHoldfastError(thrownBy(() => groupsOf(Buffer.from("not a log"), 0, stateAtHead(FILE))), "STREAM_DAMAGED")).toBe(true);
  });
});

describe("other forms of a file", () => {
  test("a server's open file, with its flag in the head, reads as the closed one", () => {
    const bytes = Buffer.from(golden);
    bytes.writeUInt8(bytes.readUInt8(21) | 1, 21);
    expect(groupsOf(bytes, 0, stateAtHead(FILE)).groups).toEqual(whole.groups);
  });

  test("a file without checksums gives the same groups at its own offsets", () => {
    const plain = groupsOf(withoutChecksums(golden), 0, stateAtHead(FILE));
    expect(plain.groups.map((group) => [group.gtid, group.statement, group.stampS])).toEqual(whole.groups.map((group) => [group.gtid, group.statement, group.stampS]));
    expect(plain.closesFile).toBe(true);
  });
});

/** The same file as a server with binlog_checksum=NONE writes it: only the format description keeps its checksum. */
function withoutChecksums(bytes: Buffer): Buffer {
  const parts: Buffer[] = [bytes.subarray(0, 4)];
  let offset = 4;
  for (let at = 4; at < bytes.length; at += bytes.readUInt32LE(at + 9)) {
    const length = bytes.readUInt32LE(at + 9);
    const isHead = at === 4;
    const event = Buffer.from(bytes.subarray(at, at + length - (isHead ? 0 : 4)));
    offset += event.length;
    event.writeUInt32LE(event.length, 9);
    event.writeUInt32LE(offset, 13);
    if (isHead) {
      event.writeUInt8(0, event.length - 5);
      event.writeUInt32LE(crc32(event.subarray(0, event.length - 4)), event.length - 4);
    }
    parts.push(event);
  }
  return Buffer.concat(parts);
}
