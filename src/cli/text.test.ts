import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Column, printable, printableLines, table } from "./text.ts";
import { cut, displayWidth } from "./text-width.ts";

/** What a terminal could act on: control characters but for the line ends of ours, and what turns the direction of text. */
// eslint-disable-next-line no-control-regex -- control characters are exactly what is looked for
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

const name = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom("shop", "\u001b[31mred\u001b[0m", "a\nb", "表の名前", "👩‍👩‍👧‍👦 family", "a\u0301bc", "\u202egnp.exe"),
);
const column: fc.Arbitrary<Column> = fc
  .record({ title: fc.string({ unit: fc.constantFrom("a", "b", " "), minLength: 1, maxLength: 14 }), align: fc.constantFrom("left" as const, "right" as const), shrink: fc.boolean(), spare: fc.option(fc.nat({ max: 3 }), { nil: undefined }) })
  .map(({ spare, ...rest }) => (spare === undefined ? rest : { ...rest, spare }));

describe("printable text", () => {
  it("holds nothing that a terminal acts on, and text without that is unchanged", () => {
    fc.assert(
      fc.property(name, (text) => {
        expect(printable(text)).not.toMatch(/[\n]/);
        expect(printable(text)).not.toMatch(UNSAFE);
        if (!UNSAFE.test(text) && !/[\n\u061c\u200e\u200f\u2028\u2029]/.test(text)) expect(printable(text)).toBe(text);
      }),
    );
  });

  it("shows what was there", () => {
    expect(printable("\u001b[31mred\n\u202e")).toBe("\\x1b[31mred\\n\\u202e");
    expect(printableLines("a\u0007\nb")).toBe("a\\x07\nb");
  });
});

describe("width on a terminal", () => {
  it.each([
    ["shop", 4],
    ["表", 2],
    ["👩‍👩‍👧‍👦", 2],
    ["e\u0301", 1],
    ["ß…→", 3],
    ["", 0],
  ])("of %s is %i", (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  it("is never passed by what is cut, which is a beginning of the text and as long as it can be", () => {
    fc.assert(
      fc.property(name.map(printable), fc.nat({ max: 50 }), (text, width) => {
        const front = cut(text, width);
        expect(displayWidth(front)).toBeLessThanOrEqual(width);
        expect(text.startsWith(front)).toBe(true);
        if (displayWidth(text) <= width) expect(front).toBe(text);
      }),
    );
  });
});

describe("a table", () => {
  it("is never wider than the terminal when what must stay fits, and never sends anything raw", () => {
    fc.assert(
      fc.property(fc.array(column, { minLength: 1, maxLength: 6 }), fc.array(fc.array(name, { maxLength: 7 }), { maxLength: 6 }), fc.integer({ min: 10, max: 160 }), (columns, rows, width) => {
        const text = table(columns, rows, width);
        const lines = text.split("\n");
        expect(lines).toHaveLength(rows.length + 1);
        expect(text).not.toMatch(UNSAFE);
        if (leastWidth(columns, rows) <= width) for (const line of lines) expect(displayWidth(line), line).toBeLessThanOrEqual(width);
      }),
    );
  });

  it("shows every cell whole when there is room", () => {
    fc.assert(
      fc.property(fc.array(fc.array(name, { minLength: 3, maxLength: 3 }), { maxLength: 5 }), (rows) => {
        const text = table([{ title: "a", shrink: true }, { title: "b", spare: 1 }, { title: "c", align: "right" }], rows, 10_000);
        for (const cell of rows.flat()) expect(text).toContain(printable(cell).trimEnd());
      }),
    );
  });

  it("cuts the widest names first, then leaves out what can be spared", () => {
    const columns: Column[] = [{ title: "name", shrink: true }, { title: "what" }, { title: "size", align: "right", spare: 1 }];
    const rows = [["a-rather-long-name", "table", "10 B"]];
    expect(table(columns, rows, 80)).toBe("NAME                WHAT   SIZE\na-rather-long-name  table  10 B");
    expect(table(columns, rows, 22)).toBe("NAME       WHAT   SIZE\na-rather…  table  10 B");
    expect(table(columns, rows, 21)).toBe("NAME      WHAT   SIZE\na-rathe…  table  10 B");
    expect(table(columns, rows, 20)).toBe("NAME           WHAT\na-rather-lon…  table");
    expect(table(columns, rows, 16)).toBe("NAME       WHAT\na-rather…  table");
  });
});

/** The sum of what may not give way: columns without `spare`, at their least. */
function leastWidth(columns: readonly Column[], rows: readonly (readonly string[])[]): number {
  const widths = columns.flatMap((each, index) => {
    if (each.spare !== undefined) return [];
    const natural = Math.max(each.title.length, ...rows.map((row) => displayWidth(printable(row[index] ?? ""))));
    return [each.shrink === true ? Math.min(natural, 8) : natural];
  });
  return widths.reduce((sum, size) => sum + size, 2 * Math.max(widths.length - 1, 0));
}
