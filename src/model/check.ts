import { createHash } from "node:crypto";
import { z } from "zod";
import { sha256Schema, sizeBytesSchema } from "./scalars.ts";

/** `size` compares existence and size and reads nothing; `hash` also reads the objects and compares what is in them. */
export const checkDepthSchema = z.enum(["size", "hash"]);
export type CheckDepth = z.infer<typeof checkDepthSchema>;

/** Which share of the objects is read, and the seed that chooses among those that waited equally long. */
export const sampleSchema = z.object({ share: z.number().positive().max(1), seed: z.string().min(1) });
export type Sample = z.infer<typeof sampleSchema>;

/** `missing` and `size` can be seen from outside; the others only by reading. `forged`: a document that this installation did not sign. */
export const problemSchema = z.enum(["missing", "size", "hash", "unreadable", "forged"]);
export type Problem = z.infer<typeof problemSchema>;

/** What is wrong with one object. `owner` is a finding's subject: `backup:<id>`, `segment:<id>`, `document:<key>` or `repository:<name>`. */
export const checkFindingSchema = z.object({ key: z.string(), owner: z.string(), problem: problemSchema, detail: z.string() });
export type CheckFinding = z.infer<typeof checkFindingSchema>;

/** An object that must be there, as the catalog knows it. */
export const expectedObjectSchema = z.object({ key: z.string(), sizeBytes: sizeBytesSchema, sha256: sha256Schema, owner: z.string() });
export type ExpectedObject = z.infer<typeof expectedObjectSchema>;

/** An object that was read, and what is wrong with it. `sha256` is what was found, when it is not what was expected. */
export const readObjectSchema = z.object({
  key: z.string(),
  owner: z.string(),
  readBytes: sizeBytesSchema,
  found: z.object({ problem: problemSchema, detail: z.string(), sha256: sha256Schema.optional() }).nullable(),
});
export type ReadObject = z.infer<typeof readObjectSchema>;

/** How much was looked at. */
export const extentSchema = z.object({ objects: z.number().int().nonnegative(), bytes: sizeBytesSchema });
export type Extent = z.infer<typeof extentSchema>;

/** What a check came to, over all its attempts. */
export const checkResultSchema = z.object({
  repository: z.string(),
  depth: checkDepthSchema,
  sample: sampleSchema.nullable(),
  /** Everything that must be there; each was compared for existence and size. */
  known: extentSchema,
  /** What of it was read by this check. */
  read: extentSchema,
  /** When an earlier attempt was cut short: how many there were, and what they had read. */
  continued: extentSchema.extend({ attempts: z.number().int().positive() }).nullable(),
  /** Everything that is known to be damaged now, by this check or one before it that nothing has taken back since. */
  problems: z.array(checkFindingSchema),
  /** Objects that nobody knows, by key, and what they seem to be. */
  unknown: z.array(z.object({ key: z.string(), sizeBytes: sizeBytesSchema, detail: z.string() })),
});
export type CheckResult = z.infer<typeof checkResultSchema>;

/** What decides whose turn it is. `lastCheckId` names the check that read the object last; null when none did. Ids sort by age. */
export interface Candidate {
  readonly key: string;
  readonly lastCheckId: string | null;
  readonly isDamaged: boolean;
}

/**
 * What a check still has to read: everything, or the share that waited longest. What is known to be damaged is always
 * read, since only that can take the finding back; among equals the seed decides. What `checkId` itself has read already
 * counts and is left out, so that a check which was cut short ends with the objects it began for.
 */
export function chooseToRead<C extends Candidate>(candidates: readonly C[], check: { checkId: string; sample: Sample | null }): C[] {
  const { checkId, sample } = check;
  const waiting = candidates.filter((candidate) => candidate.lastCheckId !== checkId);
  if (sample === null) return waiting;
  const wanted = Math.ceil(candidates.length * sample.share - ROUNDING) - (candidates.length - waiting.length);
  const lots = new Map(waiting.map(({ key }) => [key, createHash("sha256").update(`${sample.seed}\n${key}`).digest("hex")]));
  const ranked = [...waiting].sort((a, b) => Number(b.isDamaged) - Number(a.isDamaged) || order(a.lastCheckId ?? "", b.lastCheckId ?? "") || order(lots.get(a.key) ?? "", lots.get(b.key) ?? ""));
  const damaged = ranked.filter(({ isDamaged }) => isDamaged).length;
  return ranked.slice(0, Math.max(wanted, damaged, 0));
}

/** 5 % of 100 objects are 5, whatever floating point makes of it. */
const ROUNDING = 1e-9;

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
