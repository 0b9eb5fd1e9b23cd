import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isHoldfastError } from "../lib/errors.ts";
import { compareGtidLists, formatGtid, formatGtidState, includesGtid, parseGtid, parseGtidList } from "./gtid.ts";

const gtids = fc.record({ domain: fc.nat(0xffffffff), server: fc.nat(0xffffffff), sequence: fc.bigInt(0n, 2n ** 64n - 1n) });

describe("GTIDs", () => {
  test("read what they write, with sequences beyond 2^53", () => {
    fc.assert(fc.property(gtids, (gtid) => {
      expect(parseGtid(formatGtid(gtid))).toEqual(gtid);
    }));
  });

  test("a list is sorted by domain and keeps the last entry of a domain", () => {
    expect(formatGtidState(parseGtidList("10-3-7,0-1-42,10-4-9"))).toBe("0-1-42,10-4-9");
    expect(formatGtidState(parseGtidList(""))).toBe("");
  });

  test("what is no GTID is refused by name", () => {
    for (const text of ["", "1-2", "a-b-c", "1-2-3-4", "-1-2-3", "1 - 2 - 3"]) {
      let thrown: unknown;
      try {
        parseGtid(text);
      } catch (error) {
        thrown = error;
      }
      expect(isHoldfastError(thrown, "INPUT_INVALID"), text).toBe(true);
    }
  });

  test("a state includes what is at or before its place in the domain, whoever wrote it", () => {
    expect(includesGtid("0-1-42,1-3-7", "0-9-42")).toBe(true);
    expect(includesGtid("0-1-42,1-3-7", "0-1-43")).toBe(false);
    expect(includesGtid("0-1-42", "2-1-1")).toBe(false);
    expect(includesGtid("0-1-9007199254740992", "0-1-9007199254740993")).toBe(false);
  });

  test("lists compare as sets of transactions", () => {
    expect(compareGtidLists("0-1-5", "0-2-5")).toBe("equal");
    expect(compareGtidLists("0-1-5", "0-1-6")).toBe("before");
    expect(compareGtidLists("0-1-5,1-1-1", "0-1-5")).toBe("after");
    expect(compareGtidLists("0-1-5,1-1-1", "0-1-6")).toBe("apart");
  });
});
