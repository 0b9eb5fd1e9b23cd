import { z } from "zod";
import { sha256Schema } from "./scalars.ts";

/** The encrypted description of a backup's content (`index.zst.age`, one JSON document). */

/** A run of one file's bytes in the plain stream. `crc32` is the tool's own checksum of the run. */
export const extentSchema = z.object({
  /** Offset of the first data byte in the backup's plain stream. */
  streamOffset: z.number().int().nonnegative(),
  lengthBytes: z.number().int().nonnegative(),
  /** Where the run belongs in the file. */
  fileOffset: z.number().int().nonnegative(),
  crc32: z.number().int().nonnegative(),
});

export const indexedFileSchema = z.object({
  path: z.string(),
  sizeBytes: z.number().int().nonnegative(),
  /** InnoDB tablespace id, where the file tells one: chains follow the id, not the name. */
  spaceId: z.number().int().nullable(),
  /** Content of small marker files that say what DDL did during the backup (`.ren`, `.del`). */
  marker: z.string().nullable(),
  extents: z.array(extentSchema),
});
export type IndexedFile = z.infer<typeof indexedFileSchema>;

export const frameSchema = z.object({
  /** Plain stream offset and length, then offset and length of the zstd frame in the pack's decrypted payload. */
  streamOffset: z.number().int().nonnegative(),
  plainBytes: z.number().int().nonnegative(),
  packOffset: z.number().int().nonnegative(),
  frameBytes: z.number().int().nonnegative(),
});
export type Frame = z.infer<typeof frameSchema>;

/** SHA-256 digests of definitions, by kind and full name; what T3 compares. */
export const objectDigestSchema = z.object({
  kind: z.enum(["table", "view", "routine", "trigger", "event", "user", "sequence"]),
  name: z.string(),
  sha256: sha256Schema,
});
export type ObjectDigest = z.infer<typeof objectDigestSchema>;

export const tableCountSchema = z.object({ schema: z.string(), table: z.string(), rows: z.number().int().nonnegative() });
export type TableCount = z.infer<typeof tableCountSchema>;

/** What is needed to bring a server back besides its data, and what a verification compares with. */
export const serverDetailsSchema = z.object({
  variables: z.record(z.string(), z.string()),
  plugins: z.array(z.object({ name: z.string(), version: z.string(), status: z.string(), type: z.string() })),
  /** Configuration files with includes, secrets replaced. */
  configFiles: z.array(z.object({ path: z.string(), content: z.string() })),
  /** Statements that bring accounts and grants back. */
  grants: z.array(z.string()),
  objects: z.array(objectDigestSchema),
  /** Taken in one consistent snapshot at `facts.recordedPosition`. */
  counts: z.array(tableCountSchema),
  /** Value of the marker row at `facts.recordedPosition`. */
  heartbeat: z.string().nullable(),
  /** What could not be read, and why. */
  omissions: z.array(z.string()),
});
export type ServerDetails = z.infer<typeof serverDetailsSchema>;

export const backupIndexSchema = z.object({
  formatVersion: z.literal(1),
  packs: z.array(z.object({ name: z.string(), frames: z.array(frameSchema) })),
  files: z.array(indexedFileSchema),
  server: serverDetailsSchema,
});
export type BackupIndex = z.infer<typeof backupIndexSchema>;
