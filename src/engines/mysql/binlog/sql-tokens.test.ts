import { expect, test } from "vitest";
import { sqlTokens, withoutValues, wordOf } from "./sql-tokens.ts";

test("a statement without values says what it does and holds no data", () => {
  expect(withoutValues("DELETE FROM t07 WHERE `1 'a` = 'it''s \\' x' AND b > -12.5e3 OR c = \"z\" OR d = 0xFF OR e = X'41'")).toBe("DELETE FROM t07 WHERE `1 'a` = ? AND b > -? OR c = ? OR d = ? OR e = X?");
  expect(withoutValues("INSERT INTO t VALUES (1, 'cut o")).toBe("INSERT INTO t VALUES (?, ?");
});

test("tokens leave texts and comments out, and let in what the server runs", () => {
  const words = (sql: string): string[] => sqlTokens(sql).map(({ text }) => text);
  expect(words("a 'b c' -- d\n, `e``f`.g # h\n/* i */ \"j\" /*!50000 k */ /*M!100 l */")).toEqual(["a", ",", "e`f", ".", "g", "j", "k", "l"]);
  expect(sqlTokens("`table` table").map(wordOf)).toEqual(["", "TABLE"]);
  expect(words("SET STATEMENT a=1, b=2 FOR DROP TABLE t")).toEqual(["DROP", "TABLE", "t"]);
});
