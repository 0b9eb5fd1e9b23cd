import { z } from "zod";
import { idSchema, isoTimeSchema, nameSchema, timeZoneSchema } from "./scalars.ts";

/** The pool whose agents serve an instance unless it names another. */
export const LOCAL_POOL = "local";

/** What the configuration says of an instance. `connection` is checked by the engine's own options schema. */
export const instanceSpecSchema = z.strictObject({
  engine: z.string().describe("Which engine knows this instance."),
  connection: z.record(z.string(), z.unknown()).describe("How the engine reaches it."),
  policy: nameSchema.describe("The policy that serves it."),
  region: z.string().min(1).default("local").describe("Where it stands; shown, not yet used."),
  pool: nameSchema.default(LOCAL_POOL).describe("Agents of this pool serve it; `local` is the one inside `holdfast up`."),
  timeZone: timeZoneSchema.default("UTC").describe("IANA zone in which schedules and times without an offset are read."),
  owner: z.string().min(1).optional().describe("Who answers for it; shown."),
});
export type InstanceSpec = z.infer<typeof instanceSpecSchema>;

export const instanceSchema = z.object({
  id: idSchema,
  name: nameSchema,
  engine: z.string(),
  policy: nameSchema,
  region: z.string(),
  timeZone: z.string(),
  owner: z.string().nullable(),
  createdAt: isoTimeSchema,
  /** Set when the configuration no longer names it; its backups stay. */
  removedAt: isoTimeSchema.nullable(),
});
export type Instance = z.infer<typeof instanceSchema>;

/** One thing that a probe found: `error` stops backups, `warning` weakens what can be promised. */
export const probeNoteSchema = z.object({
  level: z.enum(["error", "warning", "info"]),
  code: z.string(),
  message: z.string(),
  remedy: z.string(),
});
export type ProbeNote = z.infer<typeof probeNoteSchema>;

export const probeReportSchema = z.object({
  at: isoTimeSchema,
  engine: z.string(),
  flavour: z.string(),
  serverVersion: z.string(),
  toolVersion: z.string().nullable(),
  dataDirectory: z.string(),
  sizeBytes: z.number(),
  /** Identity of the data: marker, server uid, lineage. */
  dataIdentity: z.string(),
  logging: z.object({ enabled: z.boolean(), format: z.string(), facts: z.record(z.string(), z.string()) }),
  schemas: z.array(
    z.object({
      name: z.string(),
      sizeBytes: z.number(),
      tables: z.array(z.object({ name: z.string(), engine: z.string().nullable(), rowsEstimate: z.number(), sizeBytes: z.number() })),
    }),
  ),
  notes: z.array(probeNoteSchema),
});
export type ProbeReport = z.infer<typeof probeReportSchema>;
