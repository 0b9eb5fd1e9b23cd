import type { Config } from "./config/config.ts";
import { type OpenedFor, openStorage } from "./storage/index.ts";
import type { Storage } from "./storage/storage.ts";

export interface OpenOptions extends Pick<OpenedFor, "log" | "clock"> {
  /** Stands between, for tests. */
  readonly wrap?: ((storage: Storage) => Storage) | undefined;
}

/** Opens every repository of the configuration; nothing is read or written yet. */
export function openStorages({ repositories }: Pick<Config, "repositories">, { log, clock, wrap = (storage) => storage }: OpenOptions = {}): Map<string, Storage> {
  return new Map(Object.entries(repositories).map(([name, { kind, options, limits }]) => [name, wrap(openStorage(kind, options, { repository: name, limits, log, clock }))]));
}
