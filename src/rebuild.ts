import { rename, stat } from "node:fs/promises";
import { type Catalog, openCatalog } from "./catalog/open-catalog.ts";
import type { Config } from "./config/config.ts";
import { applyConfig } from "./control/apply-config.ts";
import { rebuildCatalog, type Rebuilt } from "./control/rebuild.ts";
import { type Clock, isoTime } from "./lib/clock.ts";
import { HoldfastError } from "./lib/errors.ts";
import { idFactory } from "./lib/ids.ts";
import type { Log } from "./lib/log.ts";
import { openStorages } from "./storages.ts";
import { prepareStateDir, serverKeys, stateDirAt } from "./state-dir.ts";

export interface RebuildOptions {
  /** Only this repository; all without it. */
  readonly repository: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Makes the catalog anew from the repositories. The old one is kept beside it under another name, never deleted.
 * ALREADY_RUNNING while another process has the catalog.
 */
export async function rebuildCatalogFrom(config: Config, options: RebuildOptions): Promise<Rebuilt> {
  const { clock, log, signal } = options;
  const state = stateDirAt(config.stateDir);
  await prepareStateDir(state);
  const storages = openStorages(config, { log, clock });
  const chosen = [...storages].filter(([name]) => options.repository === undefined || name === options.repository);
  if (chosen.length === 0) throw noRepository(config, options.repository);
  const { signer } = await serverKeys(state, clock);
  await setAside(state.catalogPath, options);
  const catalog = await openCatalog({ path: state.catalogPath, log });
  try {
    const newId = idFactory();
    const apply = (part: Partial<Config>): Promise<unknown> =>
      applyConfig(catalog.db, { ...config, ...part }, { dryRun: false, at: isoTime(clock.nowMs()), newId });
    // Instances must come from the manifests first: applied before, they would get new ids that no backup knows.
    await apply({ policies: {}, instances: {} });
    const total: Rebuilt[] = [];
    for (const [repository, storage] of chosen) {
      signal.throwIfAborted();
      total.push(await rebuildCatalog({ db: catalog.db, repository, storage, expectedFingerprint: signer.fingerprint, clock, log }));
    }
    await apply({});
    return sum(total);
  } finally {
    await catalog.close();
  }
}

function noRepository(config: Config, name: string | undefined): HoldfastError {
  const known = Object.keys(config.repositories).join(", ");
  if (name === undefined) return new HoldfastError("CONFIG_INVALID", `${config.sourceName} names no repository to rebuild from.`);
  return new HoldfastError("NOT_FOUND", `The configuration has no repository ${name}.`, { hint: `It has: ${known === "" ? "none" : known}.` });
}

/** Opening it first proves that no other process has it, and writes everything out of its side files. */
async function setAside(catalogPath: string, { clock, log }: RebuildOptions): Promise<void> {
  const present = await stat(catalogPath).then(
    () => true,
    () => false,
  );
  if (!present) return;
  const aside = `${catalogPath}.before-${isoTime(clock.nowMs()).replaceAll(":", "")}`;
  const old = await openOld(catalogPath, log);
  await old?.close();
  for (const suffix of ["", "-wal", "-shm"]) {
    await rename(`${catalogPath}${suffix}`, `${aside}${suffix}`).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    });
  }
  log.warn({ path: aside }, "the old catalog is kept under another name");
}

/** A catalog that is damaged cannot be opened, which is why it is made anew; one that is in use must not be touched. */
async function openOld(path: string, log: Log): Promise<Catalog | undefined> {
  try {
    return await openCatalog({ path, log });
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "ALREADY_RUNNING") throw error;
    log.warn({ err: error }, "the old catalog cannot be opened");
    return undefined;
  }
}

function sum(all: readonly Rebuilt[]): Rebuilt {
  const add = (field: "backups" | "segments" | "verifications" | "holds"): number => all.reduce((total, one) => total + one[field], 0);
  return { backups: add("backups"), segments: add("segments"), verifications: add("verifications"), holds: add("holds"), refused: all.flatMap((one) => one.refused), missing: all.flatMap((one) => one.missing) };
}
