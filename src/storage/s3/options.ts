import { z } from "zod";
import { durationSchema } from "../../lib/units.ts";
import { checkKey } from "../keys.ts";

const SECRET_SOURCES = ["secretAccessKey", "secretAccessKeyFile", "secretAccessKeyEnv"] as const;
/** Amazon's classes that are read only hours after asking. */
const ASLEEP: ReadonlySet<string> = new Set(["GLACIER", "DEEP_ARCHIVE"]);
const LOCK_AT_LEAST_MS = 60_000;

const lockSchema = z.strictObject({
  mode: z.enum(["compliance", "governance"]).describe("compliance: nobody can shorten a lock or delete before its end; governance: whoever has the right to bypass it can."),
  uncommittedLock: durationSchema
    .refine((durationMs) => durationMs >= LOCK_AT_LEAST_MS, "must be at least 1m")
    .prefault("3d")
    .describe("How long each object is locked from its first byte on; longer than a backup takes."),
  committedLock: durationSchema
    .refine((durationMs) => durationMs >= LOCK_AT_LEAST_MS, "must be at least 1m")
    .prefault("30d")
    .describe("How long a backup and its log are locked from their commit on, where the policy's `lockFor` does not say."),
});

/** A bucket of an object store that speaks S3. */
export const s3OptionsSchema = z
  .strictObject({
    endpoint: z
      .string()
      .refine((text) => isEndpoint(text), "is not an address such as https://s3.example.org:9000")
      .optional()
      .describe("Address of the store, for example https://s3.example.org:9000; Amazon's own in `region` unless told."),
    region: z.string().min(1).default("us-east-1").describe("Region of the bucket; stores other than Amazon's mostly do not look at it."),
    bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "is not the name of a bucket").describe("Name of the bucket; it must exist."),
    prefix: z
      .string()
      .refine((text) => isPrefix(text), "is not a prefix; write parts joined by '/', for example backups/holdfast")
      .optional()
      .describe("Keys begin with this and a '/', so that several repositories can share a bucket."),
    style: z.enum(["path", "virtual-host"]).optional().describe("Whether the bucket stands in the path or in the host name; `path` with an `endpoint`, otherwise `virtual-host`."),
    accessKeyId: z.string().min(1).optional().describe("Without it the environment (`AWS_ACCESS_KEY_ID` and so on), the AWS files or the machine's role are used."),
    secretAccessKey: z.string().min(1).optional().meta({ secret: true }).describe("The secret itself; a file or variable is safer."),
    secretAccessKeyFile: z.string().min(1).meta({ path: true }).optional().describe("File whose first line is the secret."),
    secretAccessKeyEnv: z.string().min(1).optional().describe("Environment variable that holds the secret."),
    storageClass: z
      .string()
      .regex(/^[A-Z0-9_]+$/, "is not a storage class; they are written like STANDARD_IA")
      .refine((name) => !ASLEEP.has(name), "keeps objects where they cannot be read at once: no restore, check or verification could use them")
      .optional()
      .describe("Class in which the store keeps objects, for example STANDARD_IA or GLACIER_IR; the store's own unless told. Not one that has to be woken before it is read."),
    idleTimeout: durationSchema.prefault("60s").describe("A connection on which nothing moves for this long is given up."),
    lock: lockSchema.optional().describe("Object Lock; the bucket must have been made with it. Without it whoever has the credentials can delete."),
  })
  .superRefine((options, issues) => {
    for (const message of faultsOf(options)) issues.addIssue({ code: "custom", message });
  });
export type S3Options = z.infer<typeof s3OptionsSchema>;
export type LockOptions = z.infer<typeof lockSchema>;

/** Where it is, for people; without secrets. */
export function describePlace({ bucket, prefix, endpoint, region }: S3Options): string {
  return `S3 bucket ${bucket}${prefix === undefined ? "" : `/${prefix}`} at ${endpoint === undefined ? `Amazon ${region}` : new URL(endpoint).host}`;
}

function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, pathname, search, hash, username } = new URL(text);
  return (protocol === "http:" || protocol === "https:") && pathname === "/" && search === "" && hash === "" && username === "";
}

function isPrefix(text: string): boolean {
  try {
    checkKey(text);
    return true;
  } catch {
    return false;
  }
}

function faultsOf(options: Partial<Record<(typeof SECRET_SOURCES)[number] | "accessKeyId", string | undefined>>): string[] {
  const secrets = SECRET_SOURCES.filter((name) => options[name] !== undefined);
  const names = SECRET_SOURCES.map((name) => `\`${name}\``).join(", ");
  if (secrets.length > 1) return [`give only one of ${names}`];
  if (options.accessKeyId !== undefined && secrets.length === 0) return [`\`accessKeyId\` needs one of ${names}`];
  if (options.accessKeyId === undefined && secrets.length === 1) return [`\`${String(secrets[0])}\` needs \`accessKeyId\``];
  return [];
}
