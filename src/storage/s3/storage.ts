import type { SendRequest } from "../requests.ts";
import type { Storage } from "../storage.ts";
import { deleteObjects } from "./delete.ts";
import { getObject } from "./get.ts";
import { headObject } from "./head.ts";
import { listObjects } from "./list.ts";
import { objectLock } from "./lock.ts";
import type { S3Options } from "./options.ts";
import { s3Place } from "./place.ts";
import { putObject } from "./put.ts";
import { requestSigner } from "./sign.ts";
import { requireSuitable } from "./suitable.ts";

/** A bucket as a repository. Nothing is asked yet. */
export function s3Storage(options: S3Options, send?: SendRequest): Storage {
  const place = s3Place(options, send);
  let suitable: Promise<void> | undefined;
  // Asked before the first write, and again only when it could not be told.
  const requireSuitableOnce = (): Promise<void> =>
    (suitable ??= requireSuitable(place).catch((error: unknown) => {
      suitable = undefined;
      throw error;
    }));
  return {
    put: async (key, body, putOptions) => {
      place.keyOf(key);
      putOptions.signal?.throwIfAborted();
      await requireSuitableOnce();
      return putObject(place, { key, body, options: putOptions });
    },
    get: (key, getOptions) => getObject(place, key, getOptions),
    stat: async (key) => {
      const found = await headObject(place, key);
      return found === null ? null : { key, sizeBytes: found.sizeBytes };
    },
    list: (prefix) => listObjects(place, prefix),
    delete: (keys) => deleteObjects(place, keys),
    // One request stores an object whole or not at all.
    leftovers: async () => [],
    describe: () => place.name,
    sign: requestSigner(place, requireSuitableOnce),
    ...(options.lock === undefined ? {} : { lock: objectLock(place, options.lock) }),
  };
}
