import type { SendRequest } from "../requests.ts";
import { defineStorage, type ObjectLock, type RequestSigner, type Storage } from "../storage.ts";
import { describePlace, type S3Options, s3OptionsSchema } from "./options.ts";

/** A bucket of an object store that speaks S3: Amazon's, or any with conditional writes. */
export const s3Storage = defineStorage({
  kind: "s3",
  title: "A bucket of an object store that speaks S3",
  sendsRequests: true,
  options: s3OptionsSchema,
  open: openBucket,
});

/** The library that speaks S3 is large, and most commands need none of it: it is loaded with the first request. */
function openBucket(options: S3Options, send?: SendRequest): Storage {
  let loaded: Promise<Storage> | undefined;
  const storage = (): Promise<Storage> => (loaded ??= import("./storage.ts").then((driver) => driver.s3Storage(options, send)));
  const sign = async (): Promise<RequestSigner> => (await storage()).sign as RequestSigner;
  const lock = async (): Promise<ObjectLock> => (await storage()).lock as ObjectLock;
  return {
    put: async (key, body, putOptions) => (await storage()).put(key, body, putOptions),
    get: async (key, getOptions) => (await storage()).get(key, getOptions),
    stat: async (key) => (await storage()).stat(key),
    list: async function* (prefix) {
      yield* (await storage()).list(prefix);
    },
    delete: async (keys) => (await storage()).delete(keys),
    leftovers: async (leftoverOptions) => (await storage()).leftovers(leftoverOptions),
    describe: () => describePlace(options),
    sign: {
      put: async (key, object, expiresAtMs) => (await sign()).put(key, object, expiresAtMs),
      get: async (key, expiresAtMs) => (await sign()).get(key, expiresAtMs),
    },
    ...(options.lock === undefined
      ? {}
      : {
          lock: {
            committedMs: options.lock.committedLock,
            state: async (key) => (await lock()).state(key),
            extend: async (key, untilMs) => (await lock()).extend(key, untilMs),
            hold: async (key, isHeld) => (await lock()).hold(key, isHeld),
            tryToBreak: async (key) => (await lock()).tryToBreak(key),
          },
        }),
  };
}
