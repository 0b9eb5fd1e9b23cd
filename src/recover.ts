import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { insertInstance } from "./catalog/instances.ts";
import { type Catalog, inTransaction, openCatalog } from "./catalog/open-catalog.ts";
import { restorePolicy } from "./catalog/policies.ts";
import { readTextFile } from "./config/config-file.ts";
import { type Config, parseConfig } from "./config/config.ts";
import { applyConfig } from "./control/apply-config.ts";
import { expectedMark, rebuildCatalog, type Rebuilt } from "./control/rebuild.ts";
import { readIdentityFile } from "./keys/identities.ts";
import { type Clock, isoTime } from "./lib/clock.ts";
import { HoldfastError } from "./lib/errors.ts";
import { idFactory } from "./lib/ids.ts";
import type { Log } from "./lib/log.ts";
import { readServerState, type StoredState } from "./read-server-state.ts";
import { recoveredConfig } from "./config/recovered-config.ts";
import { prepareStateDir, restoreServerKeys, stateDirAt } from "./state-dir.ts";
import { openStorage } from "./storage/index.ts";
import type { Storage } from "./storage/storage.ts";

export interface RecoverOptions {
  /** A directory, or a YAML file with `kind` and `options` as a configuration would have them. */
  readonly repository: string;
  /** Of the signing key, as a person has it on paper. */
  readonly fingerprint: string;
  readonly identityPath: string;
  /** Both must not be there yet; an empty state directory is good. */
  readonly stateDir: string;
  readonly configPath: string;
  readonly clock: Clock;
  /** Opened when the state directory is there. */
  readonly openLog: (stateDir: string) => Log;
  readonly signal: AbortSignal;
}

export interface Recovered extends Rebuilt {
  readonly configPath: string;
  readonly stateDir: string;
  readonly signingKeyFingerprint: string;
  /** When the server that is gone kept its state. */
  readonly stateAt: string;
  /** Repositories of the configuration that were not read. */
  readonly otherRepositories: string[];
}

interface Source {
  readonly storage: Storage;
  readonly kind: string;
  readonly options: Record<string, unknown>;
}

/**
 * Brings a server back where nothing of it is left but a repository: its keys, its configuration for a person to
 * complete, its catalog, frozen. Everything is read and checked before the first byte is written, the configuration is
 * written last, and what a failure leaves is taken away again. REPOSITORY_FOREIGN for another fingerprint, KEY_WRONG for
 * another identity, TARGET_NOT_EMPTY when something is there already; forged documents are named in `refused`.
 */
export async function recoverServer(options: RecoverOptions): Promise<Recovered> {
  const stateDir = resolve(options.stateDir);
  const configPath = resolve(options.configPath);
  const expectedFingerprint = fingerprintOf(options.fingerprint);
  await refuseExisting(stateDir, configPath);
  const source = await sourceAt(options.repository);
  const mark = await expectedMark({ storage: source.storage, expectedFingerprint });
  const pairs = await readIdentityFile(resolve(options.identityPath));
  const stored = await readServerState({ storage: source.storage, mark, identities: pairs.map(({ identity }) => identity) });
  options.signal.throwIfAborted();
  const text = configText(options, { stored, source, stateDir });
  const config = parseConfig(text, configPath, {});
  try {
    const rebuilt = await build(options, { config, stored, source, expectedFingerprint });
    await writeNewFile(configPath, text);
    const repository = stored.state.repositoryName;
    return {
      ...rebuilt,
      refused: [...stored.refused, ...rebuilt.refused],
      configPath,
      stateDir,
      signingKeyFingerprint: expectedFingerprint,
      stateAt: stored.at,
      otherRepositories: Object.keys(config.repositories).filter((name) => name !== repository),
    };
  } catch (error) {
    await rm(stateDir, { recursive: true, force: true });
    throw error;
  }
}

/** Written by hand from paper: upper case, colons and spaces do not matter. */
function fingerprintOf(text: string): string {
  const fingerprint = text.replaceAll(/[\s:]/g, "").toLowerCase();
  if (/^[0-9a-f]{64}$/.test(fingerprint)) return fingerprint;
  throw new HoldfastError("USAGE", `--fingerprint is "${text}", which is not the SHA-256 of a signing key (64 hex digits).`, { hint: "`holdfast status` printed it while the server lived." });
}

async function refuseExisting(stateDir: string, configPath: string): Promise<void> {
  const present = await readdir(stateDir).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new HoldfastError("TARGET_NOT_EMPTY", `The state directory ${stateDir} cannot be used: ${(error as Error).message}.`, { cause: error });
  });
  if (present.length > 0) throw new HoldfastError("TARGET_NOT_EMPTY", `The state directory ${stateDir} is not empty.`, { hint: "Name an empty or new one with --state-dir. If a recovery that was killed left it, delete it first." });
  const isThere = await stat(configPath).then(
    () => true,
    () => false,
  );
  if (isThere) throw new HoldfastError("TARGET_NOT_EMPTY", `The configuration ${configPath} exists; it is not written over.`, { hint: "Name a new file with --config." });
}

const sourceSchema = z.strictObject({ kind: z.string(), options: z.record(z.string(), z.unknown()) });

async function sourceAt(path: string): Promise<Source> {
  const isFile = await stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
  if (!isFile) return opened({ kind: "local", options: { path: resolve(path) } });
  const read = sourceSchema.safeParse(parse(await readTextFile(path)));
  if (read.success) return opened(read.data);
  throw new HoldfastError("CONFIG_INVALID", `${path} does not describe a repository.`, { cause: read.error, hint: "Write `kind:` and `options:` into it, as below `repositories` of a configuration, or name the repository's directory." });
}

function opened({ kind, options }: Omit<Source, "storage">): Source {
  return { kind, options, storage: openStorage(kind, options, { repository: "recovered" }) };
}

function configText(options: RecoverOptions, { stored, source, stateDir }: { stored: StoredState; source: Source; stateDir: string }): string {
  return recoveredConfig(stored.state.configuration, {
    stateDir,
    identityPath: resolve(options.identityPath),
    repository: { name: stored.state.repositoryName, kind: source.kind, options: source.options },
    keptAt: stored.at,
    at: isoTime(options.clock.nowMs()),
  });
}

async function build({ clock, openLog }: RecoverOptions, from: { config: Config; stored: StoredState; source: Source; expectedFingerprint: string }): Promise<Rebuilt> {
  const { config, stored, source, expectedFingerprint } = from;
  const state = stateDirAt(config.stateDir);
  await prepareStateDir(state);
  const log = openLog(config.stateDir);
  await restoreServerKeys(state, { signingPem: stored.state.signingKey, metadataIdentity: stored.state.metadataIdentity }, clock);
  const catalog = await openCatalog({ path: state.catalogPath, log });
  try {
    const apply = (part: Partial<Config>): Promise<unknown> => applyConfig(catalog.db, { ...config, ...part }, { dryRun: false, at: isoTime(clock.nowMs()), newId: idFactory() });
    await apply({ policies: {}, instances: {} });
    await putBack(catalog, stored);
    const repository = stored.state.repositoryName;
    const rebuilt = await rebuildCatalog({ db: catalog.db, repository, storage: source.storage, expectedFingerprint, why: "recovered", clock, log });
    await apply({});
    log.warn({ repository: source.storage.describe(), ...rebuilt }, "recovered; frozen until somebody has looked");
    return rebuilt;
  } finally {
    await catalog.close();
  }
}

/** Instances with the ids that their backups know, and policies with their versions. */
async function putBack({ db }: Catalog, { state, policies }: StoredState): Promise<void> {
  await inTransaction(db, async (tx) => {
    for (const instance of state.instances) await insertInstance(tx, { ...instance, connection: {} });
    for (const policy of policies) await restorePolicy(tx, policy);
  });
}

/** Readable by its owner alone: a person will write secrets into it. */
async function writeNewFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text, { flag: "wx", mode: 0o600, flush: true });
}
