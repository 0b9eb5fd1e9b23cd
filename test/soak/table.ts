/** Counts pairs in a table of text: a row for each first word, a column for each second one, with sums at both ends. Rows come as in `order`. */
export function tableOf(pairs: readonly (readonly [string, string])[], order: readonly string[] = []): string {
  const rows = [...new Set(pairs.map(([row]) => row))].toSorted().toSorted((a, b) => order.indexOf(a) - order.indexOf(b));
  const columns = [...new Set(pairs.map(([, column]) => column))].toSorted();
  const count = (row: string | null, column: string | null): number => pairs.filter(([r, c]) => (row === null || r === row) && (column === null || c === column)).length;
  const width = Math.max(5, ...rows.map((row) => row.length));
  const line = (name: string, cells: readonly string[]): string => `  ${name.padEnd(width)}${cells.map((cell, number) => cell.padStart(Math.max(columns[number]?.length ?? 0, 3) + 2)).join("")}`;
  const counts = (row: string | null): string[] => [...columns, null].map((column) => String(count(row, column) || "."));
  return [line("", [...columns, "all"]), ...rows.map((row) => line(row, counts(row))), line("all", counts(null))].join("\n");
}
