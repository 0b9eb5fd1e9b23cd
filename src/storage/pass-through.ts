import type { Storage } from "./storage.ts";

/** A storage in front of another one: what `calls` does not answer goes through. */
export function passThrough(storage: Storage, calls: Partial<Storage>): Storage {
  return {
    put: (key, body, options) => storage.put(key, body, options),
    get: (key, options) => storage.get(key, options),
    stat: (key) => storage.stat(key),
    list: (prefix) => storage.list(prefix),
    delete: (keys) => storage.delete(keys),
    leftovers: (options) => storage.leftovers(options),
    describe: () => storage.describe(),
    ...(storage.lock === undefined ? {} : { lock: storage.lock }),
    ...(storage.sign === undefined ? {} : { sign: storage.sign }),
    ...calls,
  };
}
