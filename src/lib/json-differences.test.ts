import { expect, test } from "vitest";
import { jsonDifferences } from "./json-differences.ts";

test("equal values differ in nothing", () => {
  expect(jsonDifferences({ a: [1, { b: null }] }, { a: [1, { b: null }] }, 10)).toEqual([]);
});

test("each field is named with its path and both values", () => {
  const expected = { kind: "x", body: { packs: [{ sizeBytes: 8 }, { sizeBytes: 9 }], parentId: null, at: "now" } };
  const found = { kind: "x", body: { packs: [{ sizeBytes: 7 }], parentId: "p", more: true } };
  expect(jsonDifferences(expected, found, 10)).toEqual(["body.packs[0].sizeBytes is 7, not 8", "body.packs[1] is missing", 'body.parentId is "p", not null', "body.at is missing", "body.more does not belong there"]);
  expect(jsonDifferences(expected, found, 2)).toHaveLength(2);
});

test("another kind of value is named whole, and a long one is shortened", () => {
  expect(jsonDifferences({ a: [] }, { a: {} }, 5)).toEqual(["a is {}, not []"]);
  expect(jsonDifferences([], "x".repeat(200), 5)[0]).toHaveLength("the document is , not []".length + 61);
});
