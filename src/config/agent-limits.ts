import { z } from "zod";
import { sizeSchema } from "../lib/units.ts";
import { bytesPerSSchema } from "../storage/limits.ts";

/** A few frames and packs: below it nothing flows. */
const BUFFER_BYTES_AT_LEAST = 32 * 1024 ** 2;

/** How much an agent may do and use; the same in the server's configuration and in an agent's own file. */
export const agentLimits = {
  maxJobs: z.number().int().min(1).max(64).default(2).describe("Attempts side by side; shipping of logs does not count."),
  sandboxUser: z.string().min(1).optional().describe("Account of throwaway servers when Holdfast runs as root."),
  toolPath: z
    .array(z.string().min(1).meta({ path: true }))
    .min(1)
    .optional()
    .describe("Directories in which the databases' tools are looked for, before the system's own; then the PATH of the process does not count."),
  bufferBytes: sizeSchema
    .refine((sizeBytes) => sizeBytes >= BUFFER_BYTES_AT_LEAST, "must be at least 32MiB")
    .prefault("128MiB")
    .describe("Memory of each backup for what is filled, sealed and uploaded."),
  spoolBytes: sizeSchema.prefault("8GiB").describe("Disk of each backup for ciphertext that the repository does not take in time; 0B: none, the tool is held back instead."),
  spoolDir: z.string().min(1).meta({ path: true }).optional().describe("A local directory for spools; in the state directory unless told."),
  uploadBytesPerS: bytesPerSSchema
    .optional()
    .describe("Most bytes per second that all uploads together send; no limit unless told. The database is never slowed down by it."),
} as const;

export interface AgentLimits {
  readonly maxJobs: number;
  readonly sandboxUser?: string | undefined;
  /** Absolute. */
  readonly toolPath?: readonly string[] | undefined;
  readonly bufferBytes: number;
  readonly spoolBytes: number;
  /** Absolute. */
  readonly spoolDir?: string | undefined;
  readonly uploadBytesPerS?: number | undefined;
}
