import type { Config } from "./config.ts";
import { openStorage } from "./storage/index.ts";
import type { Storage } from "./storage/storage.ts";

/** Opens every repository of the configuration; nothing is read or written yet. `wrap` stands between, for tests. */
export function openStorages(config: Pick<Config, "repositories">, wrap: (storage: Storage) => Storage = (storage) => storage): Map<string, Storage> {
  return new Map(Object.entries(config.repositories).map(([name, { kind, options }]) => [name, wrap(openStorage(kind, options))]));
}
