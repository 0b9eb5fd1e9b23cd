import { describe, expect, test } from "vitest";
import { groupOf } from "../../test/fixtures/log-segments.ts";
import { type FindQuestion, findQuestionSchema, isInTime, matchGroup } from "./find-changes.ts";

const question = (more: Partial<FindQuestion> = {}): FindQuestion => findQuestionSchema.parse({ schema: "shop", table: "orders", ...more });
const rows = (deleted: number) => ({ inserted: 0, updated: 0, deleted });
const deleting = (deleted: number, name = "shop.orders") => groupOf(4, 9, 100, { tables: [{ name: "shop.log", bytes: 90, rows: rows(5_000) }, { name, bytes: 50, rows: rows(deleted), statement: "DELETE FROM orders" }] });
const dropping = (...names: string[]) => groupOf(4, 9, 100, { ddl: true, statement: "DROP TABLE …", definition: { action: "drop", names } });

describe("a group of the log", () => {
  test("is found by what it did to the table, whatever stands beside it", () => {
    expect(matchGroup(dropping("shop.log", "Shop.Orders"), question({ drop: true }))).toMatchObject({ action: "drop", statement: "DROP TABLE …" });
    expect(matchGroup(dropping("shop.log"), question({ drop: true }))).toBeNull();
    expect(matchGroup(deleting(501), question({ deleteOver: 500 }))).toEqual({ action: "delete", rows: rows(501), statement: "DELETE FROM orders" });
    expect(matchGroup(deleting(500), question({ deleteOver: 500 }))).toBeNull();
    expect(matchGroup(deleting(501, "shop.other"), question({ deleteOver: 500 }))).toBeNull();
  });

  test("is not found by a question about something else, and by any definition when none is asked for", () => {
    expect(matchGroup(dropping("shop.orders"), question({ truncate: true }))).toBeNull();
    expect(matchGroup(dropping("shop.orders"), question({ deleteOver: 0 }))).toBeNull();
    expect(matchGroup(dropping("shop.orders"), question())).toMatchObject({ action: "drop" });
    expect(matchGroup(deleting(501), question())).toBeNull();
  });

  test("that drops the schema drops the table", () => {
    const group = groupOf(4, 9, 100, { definition: { action: "drop-schema", names: ["shop"] } });
    expect(matchGroup(group, question({ drop: true }))).toMatchObject({ action: "drop-schema" });
    expect(matchGroup(group, question({ drop: true, schema: "other" }))).toBeNull();
  });

  test("whose rows nobody counted is called so, not passed over", () => {
    expect(matchGroup(groupOf(4, 9, 100, { tables: [{ name: "shop.orders", bytes: 50 }] }), question({ deleteOver: 10 }))).toBe("uncounted");
    expect(matchGroup(groupOf(4, 9, 100, { definition: { action: "rows", names: ["shop.orders"] } }), question({ deleteOver: 10 }))).toBe("uncounted");
    expect(matchGroup(groupOf(4, 9, 100, { definition: { action: "rows", names: ["shop.orders"] } }), question({ drop: true }))).toBeNull();
  });

  test("lies in time when its second does", () => {
    const bounds = { from: "1970-01-01T00:01:40.900Z", to: "1970-01-01T00:01:41.000Z" };
    expect([99, 100, 101, 102].map((stampS) => isInTime(stampS, bounds))).toEqual([false, true, true, false]);
  });
});
