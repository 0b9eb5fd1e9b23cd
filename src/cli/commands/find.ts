import { api } from "../../model/api/index.ts";
import type { FoundAction, FoundChange } from "../../model/find-changes.ts";
import { formatPosition } from "../../model/position.ts";
import { formatInZone, parseTime } from "../../model/zoned-time.ts";
import type { CommandContext, Command } from "../command.ts";
import { textOption, wholeNumber } from "../options.ts";
import { tableName } from "../restore-options.ts";
import { printable } from "../text.ts";

const MOST_ROWS = Number.MAX_SAFE_INTEGER;

export const findCommand: Command = {
  name: "find",
  summary: "Who dropped, truncated or emptied a table, and when; with the restore point just before.",
  arguments: [{ name: "instance", description: "name or id" }],
  options: [
    { flags: "--table <schema.table>", description: "the table", required: true },
    { flags: "--drop", description: "where it was dropped, also with its schema or partition by partition" },
    { flags: "--truncate", description: "where it was truncated" },
    { flags: "--delete-over <rows>", description: "transactions that deleted more rows of it than this" },
    { flags: "--from <time>", description: "not before this time; read in the instance's zone unless it carries an offset" },
    { flags: "--to <time>", description: "not after this time" },
    { flags: "--limit <count>", description: "at most so many, the newest", default: "100" },
  ],
  examples: ["holdfast find shop --table shop.orders --drop --truncate", 'holdfast find shop --table shop.orders --delete-over 1000 --from "2026-11-21 14:00"'],
  run: async (context, { instance = "" }, options) => {
    const name = textOption(options["table"]) ?? "";
    const { schema, table } = tableName(name);
    const limit = wholeNumber("--limit", options["limit"], { min: 1, max: 1_000 });
    const deleteOver = options["deleteOver"] === undefined ? undefined : wholeNumber("--delete-over", options["deleteOver"], { min: 0, max: MOST_ROWS });
    const bounds = await boundsOf(context, instance, options);
    const question = { instance, schema, table, drop: options["drop"] === true, truncate: options["truncate"] === true, ...(deleteOver === undefined ? {} : { deleteOver }), ...bounds, limit };
    const found = await (await context.client()).call(api.finds.find, question, context.signal);
    context.output.result(found, foundText(found, { instance, name }));
  },
};

async function boundsOf(context: CommandContext, instance: string, options: Readonly<Record<string, unknown>>): Promise<{ from?: string; to?: string }> {
  const [from, to] = [textOption(options["from"]), textOption(options["to"])];
  if (from === undefined && to === undefined) return {};
  const { instance: known } = await (await context.client()).call(api.instances.show, { instance }, context.signal);
  const instant = (text: string): string => new Date(parseTime(text, known.timeZone)).toISOString();
  return { ...(from === undefined ? {} : { from: instant(from) }), ...(to === undefined ? {} : { to: instant(to) }) };
}

const ACTIONS: Readonly<Record<FoundAction, string>> = {
  create: "created",
  alter: "altered",
  rename: "renamed",
  drop: "dropped",
  truncate: "truncated",
  "drop-schema": "dropped with its schema",
  rows: "changed",
  delete: "rows deleted",
};

function foundText(found: { changes: readonly FoundChange[]; searchedGroups: number; notes: readonly string[]; timeZone: string }, asked: { instance: string; name: string }): string {
  const { changes, searchedGroups, notes, timeZone } = found;
  const head = changes.length === 0 ? [`Nothing found in ${String(searchedGroups)} transactions of the stored log.`] : [];
  return [...head, ...changes.map((change) => changeText(change, timeZone, asked)), ...notes].join("\n\n");
}

function changeText(change: FoundChange, zone: string, { instance, name }: { instance: string; name: string }): string {
  const { rows, threadId, durationS, statement, previousGtid } = change;
  const place = formatPosition(change);
  const who = [`GTID ${change.gtid}`, place, ...(threadId === null ? [] : [`thread ${String(threadId)}`]), ...(durationS > 0 ? [`ran ${String(durationS)} s`] : [])];
  const counts = rows === null ? [] : [`rows         ${String(rows.deleted)} deleted, ${String(rows.updated)} updated, ${String(rows.inserted)} inserted`];
  const restore = `holdfast restore run ${shellWord(instance)}`;
  const rest = `--table ${shellWord(name)} --sql before.sql`;
  return [
    `${formatInZone(change.at, zone)}  ${ACTIONS[change.action]}`,
    `  what         ${who.join(", ")}`,
    ...counts.map((line) => `  ${line}`),
    ...(statement === null ? [] : [`  statement    ${printable(statement)}`]),
    `  just before  ${restore} --position ${shellWord(place)} ${rest}`,
    ...(previousGtid === null ? [] : [`  or           ${restore} --gtid ${previousGtid} ${rest}`]),
  ].join("\n");
}

/** Ready to be pasted into a shell, whatever the name. */
function shellWord(text: string): string {
  return /^[\w.:@%+,/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
