import { resolve } from "node:path";
import type { Client } from "../client/client.ts";
import { HoldfastError } from "../lib/errors.ts";
import { api } from "../model/api/index.ts";
import type { RestoreGoal, RestoreTarget } from "../model/restore.ts";
import { parseTime } from "../model/zoned-time.ts";
import type { CommandContext, OptionSpec } from "./command.ts";
import { textOption } from "./options.ts";

type Options = Readonly<Record<string, unknown>>;

export const GOAL_OPTIONS: readonly OptionSpec[] = [
  { flags: "--to <time>", description: "as of this time; read in the instance's zone unless it carries an offset" },
  { flags: "--gtid <gtid>", description: "up to and with this transaction, for example 0-1-4711" },
  { flags: "--position <file:position>", description: "up to this place in the log" },
  { flags: "--latest", description: "up to the end of the stored log" },
  { flags: "--backup <id>", description: "exactly this backup, no log" },
  { flags: "--allow-gap", description: "accept a hole in the log and what is lost in it" },
];

/** A goal as it was written; a time needs the instance's zone before it is one. */
export type GoalRequest = (context: CommandContext, client: Client, instance: string) => Promise<RestoreGoal>;

/** Exactly one goal must be given: refused before anything is asked of the server. */
export function goalFrom(options: Options): GoalRequest {
  const goals: GoalRequest[] = [];
  const [to, gtid, position, backupId] = [textOption(options["to"]), textOption(options["gtid"]), textOption(options["position"]), textOption(options["backup"])];
  const push = (goal: RestoreGoal): unknown => goals.push(() => Promise.resolve(goal));
  if (to !== undefined) goals.push((context, client, instance) => timeGoal(context, client, instance, to));
  if (gtid !== undefined) push({ kind: "gtid", gtid });
  if (position !== undefined) push(positionGoal(position));
  if (options["latest"] === true) push({ kind: "latest" });
  if (backupId !== undefined) push({ kind: "backup", backupId });
  const [goal, other] = goals;
  if (goal === undefined || other !== undefined) {
    throw new HoldfastError("USAGE", `Exactly one of --to, --gtid, --position, --latest and --backup is needed; ${String(goals.length)} were given.`);
  }
  return goal;
}

async function timeGoal(context: CommandContext, client: Client, instance: string, text: string): Promise<RestoreGoal> {
  const { instance: found } = await client.call(api.instances.show, { instance }, context.signal);
  return { kind: "time", at: new Date(parseTime(text, found.timeZone)).toISOString() };
}

function positionGoal(text: string): RestoreGoal {
  const match = /^(.+):(\d+)$/.exec(text);
  if (match?.[1] === undefined) throw new HoldfastError("USAGE", `--position is "${text}"; write it as file:position, for example mariadb-bin.000017:4711.`);
  return { kind: "position", file: match[1], position: Number(match[2]) };
}

/** Where the restored data go: a directory, an SQL file or another server. */
export function targetFrom(options: Options): RestoreTarget {
  const [dir, name, sql, into] = [textOption(options["targetDir"]), textOption(options["table"]), textOption(options["sql"]), textOption(options["into"])];
  if (name === undefined) {
    if (sql !== undefined || into !== undefined) throw new HoldfastError("USAGE", "--sql and --into need --table <schema.table>.");
    if (dir === undefined) throw new HoldfastError("USAGE", "Say where to: --target-dir <directory>, or --table <schema.table> with --sql <file> or --into <connection>.");
    return { kind: "directory", path: resolve(dir), start: options["start"] === true };
  }
  if (dir !== undefined || options["start"] === true) throw new HoldfastError("USAGE", "--table goes with --sql or --into, not with --target-dir or --start.");
  if ((sql === undefined) === (into === undefined)) throw new HoldfastError("USAGE", "--table needs exactly one of --sql <file> and --into <connection>.");
  const { schema, table } = tableName(name);
  return { kind: "table", schema, table, ...(sql === undefined ? {} : { sqlPath: resolve(sql) }), ...(into === undefined ? {} : { into: connectionFrom(into) }) };
}

/** `shop.orders`; a name with a dot in it is written in backticks: `` `my.db`.`orders` ``. */
export function tableName(text: string): { schema: string; table: string } {
  const part = "(?:`((?:[^`]|``)+)`|([^.`]+))";
  const match = new RegExp(`^${part}\\.${part}$`, "s").exec(text);
  const unquote = (quoted: string | undefined, plain: string | undefined): string => quoted?.replaceAll("``", "`") ?? plain ?? "";
  if (match === null) throw new HoldfastError("USAGE", `--table is "${text}"; write schema.table, with backticks around names that hold a dot or a backtick.`);
  return { schema: unquote(match[1], match[2]), table: unquote(match[3], match[4]) };
}

function connectionFrom(text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>;
  } catch {
    // Falls through to the sentence that says how it is written.
  }
  throw new HoldfastError("USAGE", "--into is not a connection; write it as JSON in the form of the configuration.", {
    hint: `For example --into '{"socket":"/run/mysqld/mysqld.sock","user":"root"}'; name a passwordFile rather than a password.`,
  });
}
