import { cut, displayWidth } from "./text-width.ts";

/** Text for terminals. Names come from databases and can hold anything, escape sequences included. */

/** Control characters, and those that turn the direction of what follows or break a line unseen. */
// eslint-disable-next-line no-control-regex -- control characters are exactly what is to be found
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Makes control characters visible, so that a table name cannot move the cursor or colour the screen. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0).toString(16);
    if (character === "\n") return "\\n";
    return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
  });
}

/** The same for text of several lines, which stay lines. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

/** `1 error`, `2 errors`. */
export function counted(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? "" : "s"}`;
}

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** May be cut with an ellipsis when the terminal is narrow. */
  readonly shrink?: boolean;
  /** It is never cut below this many characters; 8 unless told: less of a name tells nothing. */
  readonly least?: number;
  /** Left out when the terminal is narrow, the highest first; without it the column always stays. */
  readonly spare?: number;
}

const GAP = "  ";
const LEAST = 8;

/**
 * A table that fits `width` characters: first what may shrink gives way, the widest first, then what can be spared goes.
 * It is wider only when what must stay is.
 */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], width: number): string {
  const cells = rows.map((row) => columns.map((_, index) => printable(row[index] ?? "")));
  const natural = columns.map((column, index) => Math.max(displayWidth(column.title), ...cells.map((row) => displayWidth(row[index] ?? ""))));
  const widths = shrunk(columns, withoutSpares(columns, natural, width), width);
  const shown = columns.flatMap((column, index) => {
    const size = widths[index] ?? null;
    return size === null ? [] : [{ index, size, align: column.align ?? "left" }];
  });
  const line = (row: readonly string[]): string => shown.map(({ index, size, align }) => fit(row[index] ?? "", size, align)).join(GAP).trimEnd();
  return [line(columns.map(({ title }) => title.toUpperCase())), ...cells.map(line)].join("\n");
}

/** Width of each column, null for one that is left out. */
type Widths = readonly (number | null)[];

const smallest = (column: Column, size: number): number => (column.shrink === true ? Math.min(size, column.least ?? LEAST) : size);

function totalOf(widths: Widths): number {
  const shown = widths.filter((size) => size !== null);
  return shown.reduce((sum, size) => sum + size, GAP.length * Math.max(shown.length - 1, 0));
}

function withoutSpares(columns: readonly Column[], natural: readonly number[], width: number): Widths {
  const widths: (number | null)[] = [...natural];
  const needed = (): number => totalOf(widths.map((size, index) => (size === null ? null : smallest(columns[index] ?? { title: "" }, size))));
  const spares = columns.map(({ spare }, index) => ({ spare, index })).filter((each) => each.spare !== undefined);
  for (const { index } of spares.sort((a, b) => (b.spare ?? 0) - (a.spare ?? 0))) {
    if (needed() <= width) break;
    widths[index] = null;
  }
  return widths;
}

function shrunk(columns: readonly Column[], start: Widths, width: number): Widths {
  const widths = [...start];
  while (totalOf(widths) > width) {
    const spareRoom = columns.map((column, index) => (widths[index] ?? 0) - smallest(column, widths[index] ?? 0));
    const sizes = columns.map((_, index) => ((spareRoom[index] ?? 0) > 0 ? (widths[index] ?? 0) : 0));
    const widest = Math.max(...sizes);
    if (widest <= 0) break;
    widths[sizes.indexOf(widest)] = widest - 1;
  }
  return widths;
}

function fit(cell: string, width: number, align: "left" | "right"): string {
  const text = displayWidth(cell) > width ? `${cut(cell, Math.max(width - 1, 0))}…` : cell;
  const padding = " ".repeat(Math.max(width - displayWidth(text), 0));
  return align === "right" ? `${padding}${text}` : `${text}${padding}`;
}
