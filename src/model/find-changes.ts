import { z } from "zod";
import { isoTime } from "../lib/clock.ts";
import { changedRowsSchema, type LogGroup, logDefinitionSchema } from "./log-groups.ts";
import { idSchema, isoTimeSchema } from "./scalars.ts";

/** What is looked for in the log: what somebody did to one table. */
export const findQuestionSchema = z.object({
  schema: z.string().min(1),
  table: z.string().min(1),
  /** With none of the three, every definition that names the table is found. */
  drop: z.boolean().default(false),
  truncate: z.boolean().default(false),
  /** Transactions that deleted more rows of the table than this. */
  deleteOver: z.number().int().nonnegative().optional(),
  /** Bounds of the stamps, which are the seconds in which statements began. */
  from: isoTimeSchema.optional(),
  to: isoTimeSchema.optional(),
});
export type FindQuestion = z.infer<typeof findQuestionSchema>;

export const foundActionSchema = z.enum([...logDefinitionSchema.shape.action.options, "delete"]);
export type FoundAction = z.infer<typeof foundActionSchema>;

/** One transaction that was looked for, and the place just before it. */
export const foundChangeSchema = z.object({
  timeline: idSchema,
  gtid: z.string(),
  file: z.string(),
  /** Where it begins: a restore to this position ends just before it. */
  position: z.number().int().nonnegative(),
  /** The transaction before it in the log; null when the log does not tell. */
  previousGtid: z.string().nullable(),
  /** The second in which its statement (or COMMIT) began. */
  at: isoTimeSchema,
  durationS: z.number().int().nonnegative(),
  /** Null when the server did not log it, as for rows. */
  threadId: z.number().int().nullable(),
  action: foundActionSchema,
  /** Of this table; null for definitions, and when nobody could count. */
  rows: changedRowsSchema.nullable(),
  /** The first characters of the statement, where the log holds it. */
  statement: z.string().nullable(),
});
export type FoundChange = z.infer<typeof foundChangeSchema>;

/** What a group did to the table, as far as the question goes. `uncounted`: it changed rows, and nobody knows how many. */
export type Match = Pick<FoundChange, "action" | "rows" | "statement"> | "uncounted" | null;

/** Whether this is one of the transactions looked for. Names are compared without regard to case: servers differ. */
export function matchGroup(group: LogGroup, question: FindQuestion): Match {
  const { definition } = group;
  const wanted = fold(`${question.schema}.${question.table}`);
  const isNamed = definition != null && definition.names.some((name) => fold(name) === (definition.action === "drop-schema" ? fold(question.schema) : wanted));
  if (isNamed && definition.action !== "rows" && asksFor(question, definition.action)) return { action: definition.action, rows: null, statement: group.statement };
  if (question.deleteOver === undefined) return null;
  const changed = group.tables.find(({ name }) => fold(name) === wanted);
  if (changed?.rows != null) {
    return changed.rows.deleted > question.deleteOver ? { action: "delete", rows: changed.rows, statement: changed.statement ?? group.statement } : null;
  }
  return changed !== undefined || (isNamed && definition.action === "rows") ? "uncounted" : null;
}

const fold = (name: string): string => name.toLowerCase();

function asksFor({ drop, truncate, deleteOver }: FindQuestion, action: string): boolean {
  if (!drop && !truncate && deleteOver === undefined) return true;
  return (drop && (action === "drop" || action === "drop-schema")) || (truncate && action === "truncate");
}

/** Whether a stamp lies within the question's bounds. */
export function isInTime(stampS: number, { from, to }: Pick<FindQuestion, "from" | "to">): boolean {
  return (from === undefined || stampS >= Math.floor(Date.parse(from) / 1_000)) && (to === undefined || stampS <= Math.floor(Date.parse(to) / 1_000));
}

export function foundChange(group: LogGroup, place: { timeline: string; file: string; previousGtid: string | null }, match: Exclude<Match, "uncounted" | null>): FoundChange {
  const { gtid, start: position, stampS, durationS, threadId } = group;
  return { ...place, gtid, position, at: isoTime(stampS * 1_000), durationS, threadId, ...match };
}
