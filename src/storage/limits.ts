import { z } from "zod";
import { sizeSchema } from "../lib/units.ts";

const BYTES_PER_S_AT_LEAST = 64 * 1024;

/** A rate below which nothing useful flows is a slip of the pen. */
export const bytesPerSSchema = sizeSchema.refine((sizeBytes) => sizeBytes >= BYTES_PER_S_AT_LEAST, "must be at least 64KiB");

const bandwidth = {
  uploadBytesPerS: bytesPerSSchema.optional().describe("Most bytes per second that are written to it."),
  downloadBytesPerS: bytesPerSSchema.optional().describe("Most bytes per second that are read from it, restores included."),
};
const requests = { requestsPerS: z.number().int().min(1).max(100_000).optional().describe("Most requests per second, further tries included.") };

/** What one process asks of one repository at most. */
export interface RepositoryLimits {
  readonly uploadBytesPerS?: number | undefined;
  readonly downloadBytesPerS?: number | undefined;
  readonly requestsPerS?: number | undefined;
}

/** As every configuration file has it; `requestsPerS` only where requests are sent. */
export function repositoryLimits({ sendsRequests = false }: { readonly sendsRequests?: boolean | undefined }): z.ZodType<RepositoryLimits | undefined> {
  const schema: z.ZodType<RepositoryLimits> = sendsRequests ? z.strictObject({ ...bandwidth, ...requests }) : z.strictObject(bandwidth);
  return schema.optional().describe("What this process asks of it at most; no limit unless told.");
}
