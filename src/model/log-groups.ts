import { z } from "zod";

/** Rows of one table that a transaction changed. */
export const changedRowsSchema = z.object({
  inserted: z.number().int().nonnegative(),
  updated: z.number().int().nonnegative(),
  deleted: z.number().int().nonnegative(),
});
export type ChangedRows = z.infer<typeof changedRowsSchema>;

/** What a statement that is logged as text does, and to which tables. */
export const logDefinitionSchema = z.object({
  /**
   * `drop` is also DROP PARTITION and CREATE OR REPLACE, `truncate` also TRUNCATE PARTITION: what was inside is gone.
   * `rows` are changes of rows that the server logged as text, so that nobody counted them.
   */
  action: z.enum(["create", "alter", "rename", "drop", "truncate", "drop-schema", "rows"]),
  /** As `schema.table`; the name of the schema alone for `drop-schema`. */
  names: z.array(z.string()),
});
export type LogDefinition = z.infer<typeof logDefinitionSchema>;

export const changedTableSchema = z.object({
  name: z.string(),
  bytes: z.number().int().nonnegative(),
  /** Null when the images could not be counted; absent in lists written before rows were counted. */
  rows: changedRowsSchema.nullable().optional(),
  /** First characters of the statement that changed most of it, where the server noted it beside the rows. */
  statement: z.string().optional(),
});

/**
 * One transaction group of the binary log: what lies between one GTID event and the next. Kept, encrypted, beside each
 * log segment, so that a time can be resolved to a position without opening the log itself.
 */
export const logGroupSchema = z.object({
  /** Offset of the GTID event in its file, and of the byte after the group's last event. */
  start: z.number().int().nonnegative(),
  end: z.number().int().positive(),
  /** `domain-server-sequence`. */
  gtid: z.string(),
  /** The GTID event's stamp: the second in which the statement (or COMMIT) began, not when it was committed. */
  stampS: z.number().int(),
  /** Longest statement inside, seconds, as the server logged it; 0 when unknown. */
  durationS: z.number().int().nonnegative(),
  /** DDL or another statement logged as text; the first 200 characters. */
  statement: z.string().nullable(),
  /** True for DDL (a group of one statement that commits by itself). */
  ddl: z.boolean(),
  threadId: z.number().int().nullable(),
  /** `schema.table` with the rows events' bytes, most first; at most 20. */
  tables: z.array(changedTableSchema),
  /** Null when the group holds no such statement; absent in lists written before it was noted. */
  definition: logDefinitionSchema.nullable().optional(),
});
export type LogGroup = z.infer<typeof logGroupSchema>;

export const logGroupIndexSchema = z.object({ formatVersion: z.literal(1), file: z.string(), groups: z.array(logGroupSchema) });
export type LogGroupIndex = z.infer<typeof logGroupIndexSchema>;
