import { type Clock, systemClock } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Log, silentLog } from "../lib/log.ts";
import type { RepositoryLimits } from "./limits.ts";
import { localStorage } from "./local.ts";
import { sendAgain, sendInTurn, sendPlainly, type SendRequest } from "./requests.ts";
import { s3Storage } from "./s3/index.ts";
import type { Storage, StorageDriver } from "./storage.ts";
import { throttledStorage } from "./throttled.ts";
import { type TraceOptions, tracedStorage } from "./traced.ts";

/** The kinds of repositories; a new one is one file and one line here. */
export const storageDrivers: readonly StorageDriver[] = [localStorage, s3Storage];

export interface OpenedFor {
  /** How the configuration calls the repository; its kind unless told. */
  readonly repository?: string;
  readonly limits?: RepositoryLimits | undefined;
  readonly log?: Log | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * Opens a repository of this kind; throws CONFIG_INVALID naming the kind, or every fault of its options. Here, and
 * nowhere else, stands what surrounds every driver: requests in turn and tried again, bandwidth, and the trace of calls.
 */
export function openStorage(kind: string, options: unknown, opened: OpenedFor = {}): Storage {
  const driver = storageDrivers.find((candidate) => candidate.kind === kind);
  if (driver === undefined) {
    const known = storageDrivers.map((candidate) => candidate.kind).join(", ");
    throw new HoldfastError("CONFIG_INVALID", `There is no kind of repository "${kind}"; there is: ${known}.`);
  }
  const parsed = driver.options.safeParse(options);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${["options", ...issue.path].join(".")} ${issue.message}`).join("; ");
    throw new HoldfastError("CONFIG_INVALID", `The options of the ${kind} repository are wrong: ${faults}.`, { cause: parsed.error });
  }
  const { repository = kind, limits = {}, log = silentLog, clock = systemClock } = opened;
  const send = requests({ repository, limits, log, clock });
  return tracedStorage(throttledStorage(driver.open(parsed.data, send), limits, clock), { repository, log, clock });
}

function requests({ repository, limits: { requestsPerS }, log, clock }: TraceOptions & { limits: RepositoryLimits; log: Log }): SendRequest {
  const send = requestsPerS === undefined ? sendPlainly : sendInTurn(sendPlainly, requestsPerS, clock);
  return sendAgain(send, (error, waitMs) => {
    log.warn({ repository, waitMs: Math.round(waitMs), err: error }, "a request will be sent again");
  });
}
