import { randomInt } from "node:crypto";
import { access, chown, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { type RunAs, runTool } from "../../lib/process.ts";
import type { SandboxPlaces } from "./sandbox-config.ts";
import { toolFile } from "./tools.ts";

/** Where a sandbox keeps everything that is not data. */
export interface SandboxPlace extends SandboxPlaces {
  readonly socket: string;
  readonly errorLog: string;
  /** Ours alone: holds the login for client programs. */
  readonly clientDir: string;
  remove(): Promise<void>;
}

/**
 * Plugins without which data cannot be read or accounts cannot be replayed: logins and page compression. No other can
 * be loaded, whatever the restored mysql.plugin says: it may have been filled by anybody.
 */
const ALLOWED_PLUGINS = ["auth_ed25519.so", "auth_parsec.so", "provider_bzip2.so", "provider_lz4.so", "provider_lzma.so", "provider_lzo.so", "provider_snappy.so"];

/** Makes a private place with a short path; the server's directories belong to `runAs`. */
export async function sandboxPlace(scratchDir: string, runAs: RunAs | undefined): Promise<SandboxPlace> {
  const root = await mkdtemp(join(scratchDir, "sb"));
  const clientDir = `${root}c`;
  await mkdir(clientDir, { mode: 0o700 });
  const inner = (name: string): string => join(root, name);
  const place: SandboxPlace = {
    socket: inner("s"),
    errorLog: inner("error.log"),
    tmpDir: inner("tmp"),
    pluginDir: inner("plugin"),
    filesDir: inner("files"),
    relayDir: inner("relay"),
    clientDir,
    remove: async () => {
      await rm(root, { recursive: true, force: true });
      await rm(clientDir, { recursive: true, force: true });
    },
  };
  for (const dir of [place.tmpDir, place.pluginDir, place.filesDir, place.relayDir]) await mkdir(dir, { mode: 0o700 });
  await linkPlugins(place.pluginDir);
  if (runAs !== undefined) for (const dir of [root, place.tmpDir, place.pluginDir, place.filesDir, place.relayDir]) await chown(dir, runAs.uid, runAs.gid);
  return place;
}

async function linkPlugins(pluginDir: string): Promise<void> {
  const source = await systemPluginDir();
  if (source === null) return;
  for (const name of ALLOWED_PLUGINS) {
    const file = join(source, name);
    const there = await access(file).then(
      () => true,
      () => false,
    );
    if (there) await symlink(file, join(pluginDir, name));
  }
}

/** Where this machine's server has its plugins; null when it does not say. */
async function systemPluginDir(): Promise<string | null> {
  const { stdout } = await runTool({ file: await toolFile("mariadbd"), args: ["--no-defaults", "--help", "--verbose"] }).catch(() => ({ stdout: "" }));
  return /^plugin-dir\s+(\/.*?)\s*$/m.exec(stdout)?.[1] ?? null;
}

/** A server id that no source is likely to have. */
export function randomServerId(): number {
  return randomInt(2 ** 31, 2 ** 32 - 1);
}
