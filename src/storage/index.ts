import { HoldfastError } from "../lib/errors.ts";
import { localStorage } from "./local.ts";
import { s3Storage } from "./s3/index.ts";
import type { Storage, StorageDriver } from "./storage.ts";

/** The kinds of repositories; a new one is one file and one line here. */
export const storageDrivers: readonly StorageDriver[] = [localStorage, s3Storage];

/** Opens a repository of this kind; throws CONFIG_INVALID naming the kind, or every fault of its options. */
export function openStorage(kind: string, options: unknown): Storage {
  const driver = storageDrivers.find((candidate) => candidate.kind === kind);
  if (driver === undefined) {
    const known = storageDrivers.map((candidate) => candidate.kind).join(", ");
    throw new HoldfastError("CONFIG_INVALID", `There is no kind of repository "${kind}"; there is: ${known}.`);
  }
  const parsed = driver.options.safeParse(options);
  if (parsed.success) return driver.open(parsed.data);
  const faults = parsed.error.issues.map((issue) => `${["options", ...issue.path].join(".")} ${issue.message}`).join("; ");
  throw new HoldfastError("CONFIG_INVALID", `The options of the ${kind} repository are wrong: ${faults}.`, { cause: parsed.error });
}
