import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { backupPrefix, type LogSegment, type Manifest } from "../../src/model/manifest.ts";

/** Reads a repository with nothing of Holdfast but its format: files, SHA-256, `age` and `zstd`. */

const namesIn = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
const instancesIn = (repositoryPath: string): string[] => namesIn(repositoryPath).filter((name) => /^[0-9A-Z]{26}$/.test(name));

/** Ids of attempts that have stored anything of a backup. */
export function storedAttempts(repositoryPath: string): string[] {
  return instancesIn(repositoryPath).flatMap((instance) => namesIn(join(repositoryPath, instance, "backups")));
}

export function attemptsWithManifest(repositoryPath: string): string[] {
  return instancesIn(repositoryPath).flatMap((instance) =>
    namesIn(join(repositoryPath, instance, "backups")).filter((id) => existsSync(join(repositoryPath, instance, "backups", id, "manifest.json"))),
  );
}

/** What is wrong with the objects of a backup, by its manifest. */
export async function backupFaults(repositoryPath: string, backup: { instanceId: string; backupId: string }): Promise<string[]> {
  const dir = join(repositoryPath, backupPrefix(backup.instanceId, backup.backupId));
  const manifestPath = join(dir, "manifest.json");
  if (!existsSync(manifestPath)) return [`backup ${backup.backupId} is listed without a manifest`];
  const body = await bodyOf<Manifest>(manifestPath);
  if (body === null) return [`backup ${backup.backupId} is listed with a manifest that is no document`];
  const faults: string[] = [];
  const expected = new Set(["manifest.json"]);
  for (const part of [...body.packs, body.index]) {
    expected.add(part.name);
    const path = join(dir, part.name);
    if (!existsSync(path)) faults.push(`backup ${backup.backupId} is listed without its ${part.name}`);
    else if ((await sha256Of(path)) !== part.sha256) faults.push(`backup ${backup.backupId} is listed, but its ${part.name} has another hash`);
  }
  for (const name of readdirSync(dir)) if (!expected.has(name)) faults.push(`backup ${backup.backupId} has an object that its manifest does not name: ${name}`);
  return faults;
}

/** What was signed; null for what is no whole document. */
async function bodyOf<Body>(path: string): Promise<Body | null> {
  const text = await readFile(path, "utf8");
  try {
    return (JSON.parse(text) as { body: Body }).body;
  } catch {
    return null;
  }
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

export interface StoredPiece {
  readonly segment: LogSegment;
  readonly objectPath: string;
}

export interface StoredLog {
  readonly pieces: readonly StoredPiece[];
  /** Objects below `logs` that no document names. */
  readonly strangers: readonly { key: string }[];
}

/** All signed pieces of log, and what lies beside them. */
export async function storedLog(repositoryPath: string): Promise<StoredLog> {
  const pieces: StoredPiece[] = [];
  const strangers: { key: string }[] = [];
  for (const instance of instancesIn(repositoryPath)) {
    for (const timeline of namesIn(join(repositoryPath, instance, "logs"))) {
      const dir = join(repositoryPath, instance, "logs", timeline);
      const names = new Set(readdirSync(dir));
      for (const name of [...names].filter((candidate) => candidate.endsWith(".json"))) {
        const body = await bodyOf<LogSegment>(join(dir, name));
        // Then its objects are strangers too.
        if (body === null) continue;
        pieces.push({ segment: body, objectPath: join(dir, body.object.name) });
        for (const used of [name, body.object.name, body.index.name]) names.delete(used);
      }
      for (const name of names) strangers.push({ key: `${instance}/logs/${timeline}/${name}` });
    }
  }
  return { pieces, strangers };
}

/** Opens an object with the standard tools alone. */
export function openWithTools(path: string, keyPath: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn("bash", ["-o", "pipefail", "-c", 'age -d -i "$1" "$2" | zstd -dcq', "-", keyPath, path], { stdio: ["ignore", "pipe", "pipe"] });
    const chunks: Buffer[] = [];
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(Buffer.concat(chunks));
      else reject(new Error(`${path} cannot be opened: ${said.trim()}`));
    });
  });
}
