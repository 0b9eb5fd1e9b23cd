import { chmod, link, readFile, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { generateKeyPair, identityFileText, parseIdentities, readIdentityFile } from "./keys/identities.ts";
import type { Clock } from "./lib/clock.ts";
import { HoldfastError } from "./lib/errors.ts";
import { makeFolders, syncFolder } from "./lib/folders.ts";
import { generateSigningKey, type Signer, signerFrom } from "./lib/signing.ts";

/** Where things lie in the state directory. Only the owner may list or read it; throwaway servers may pass to `scratch`. */
export interface StateDir {
  readonly root: string;
  readonly catalogPath: string;
  readonly socketPath: string;
  readonly logPath: string;
  readonly scratchRoot: string;
  /** Compiled code of threads; may be removed at any time. */
  readonly cachePath: string;
  readonly signingKeyPath: string;
  readonly metadataKeyPath: string;
  /** The self-made certificate for TLS, with its key. */
  readonly tlsPath: string;
}

export interface ServerKeys {
  readonly signer: Signer;
  /** The signer's private key: never log it, and let it leave this machine only sealed. */
  readonly signingPem: string;
  /** The server's own age identity: opens indexes, never data. */
  readonly metadata: { readonly identity: string; readonly recipient: string };
}

export function stateDirAt(root: string): StateDir {
  return {
    root,
    catalogPath: join(root, "data", "catalog.sqlite"),
    socketPath: join(root, "holdfast.sock"),
    logPath: join(root, "holdfast.log"),
    scratchRoot: join(root, "scratch"),
    cachePath: join(root, "cache"),
    signingKeyPath: join(root, "keys", "signing.pem"),
    metadataKeyPath: join(root, "keys", "metadata.key"),
    tlsPath: join(root, "keys", "tls.pem"),
  };
}

/** Makes the directories. As root, throwaway servers run as another user, who must be able to pass through to the scratch space. */
export async function prepareStateDir(state: StateDir): Promise<void> {
  const asRoot = process.getuid?.() === 0;
  const passable = asRoot ? 0o711 : 0o700;
  await makeDir(state.root, passable);
  await makeDir(state.scratchRoot, passable);
  await makeDir(dirname(state.catalogPath), 0o700);
  await makeDir(dirname(state.signingKeyPath), 0o700);
  // Whoever can write here can make us run code.
  await makeDir(state.cachePath, 0o700);
}

/** Lets threads that are started from now on keep their compiled code: without it each of them loads a compiler of its own, a dozen MiB. */
export function keepCompiledCode(cachePath: string, env: NodeJS.ProcessEnv): void {
  env["NODE_COMPILE_CACHE"] ??= cachePath;
}

/** Makes one directory of Holdfast's own, or gives it the right mode. CONFIG_INVALID when that cannot be done. */
export async function makeDir(path: string, mode: number): Promise<void> {
  try {
    await makeFolders(path, mode);
    await chmod(path, mode);
  } catch (cause) {
    throw new HoldfastError("CONFIG_INVALID", `The state directory ${path} cannot be made: ${(cause as Error).message}.`, { cause, hint: "Give `stateDir` a place that this user may write to." });
  }
}

/** Reads the server's keys, or makes them the first time. */
export async function serverKeys(state: StateDir, clock: Clock): Promise<ServerKeys> {
  const signingPem = await readOrCreate(state.signingKeyPath, () => Promise.resolve(generateSigningKey()));
  await readOrCreate(state.metadataKeyPath, async () => identityFileText(await generateKeyPair(), clock));
  const [metadata] = await readIdentityFile(state.metadataKeyPath);
  if (metadata === undefined) throw new HoldfastError("KEY_MISSING", `${state.metadataKeyPath} holds no age identity.`);
  return { signer: signerFrom(signingPem), signingPem, metadata };
}

/** Puts the keys of a server that is gone into a new state directory. REFUSED when other keys are there. */
export async function restoreServerKeys(state: StateDir, keys: { signingPem: string; metadataIdentity: string }, clock: Clock): Promise<ServerKeys> {
  const [metadata] = await parseIdentities("the kept metadata identity", keys.metadataIdentity);
  if (metadata === undefined) throw new HoldfastError("KEY_MISSING", "The kept state holds no metadata identity.");
  await readOrCreate(state.signingKeyPath, () => Promise.resolve(keys.signingPem));
  await readOrCreate(state.metadataKeyPath, () => Promise.resolve(identityFileText(metadata, clock)));
  const restored = await serverKeys(state, clock);
  if (restored.signingPem === keys.signingPem && restored.metadata.identity === metadata.identity) return restored;
  throw new HoldfastError("REFUSED", `${dirname(state.signingKeyPath)} holds keys of another server; they are not written over.`, { hint: "Name an empty or new state directory." });
}

/** A key file is never written over: it is made under another name, made durable, then linked into place. */
export async function readOrCreate(path: string, make: () => Promise<string>): Promise<string> {
  const existing = await readIfThere(path);
  if (existing !== null) return existing;
  const content = await make();
  const temporary = `${path}.new-${String(process.pid)}`;
  await writeFile(temporary, content, { mode: 0o600, flush: true });
  try {
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await unlink(temporary);
  }
  await syncFolder(dirname(path));
  return readFile(path, "utf8");
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
