import { mkdtemp, chmod, rm, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { startDatabase } from "./database.ts";
import { settle } from "./measure.ts";
import { benchOptions } from "./options.ts";
import { peerReport } from "./peers.ts";
import { type Pair, pairReport, sizeReport } from "./report.ts";
import { type Bench, holdfastBackup, holdfastRestore, shellBackup, shellRestore } from "./sides.ts";
import { compareMemory } from "./stand-in.ts";
import { compareUploads } from "./upload.ts";

/*
 * Holdfast beside the shell pipeline on the same server, in alternating pairs: another load on the machine then meets
 * both alike. Read the ratios, not the seconds.
 */

const BACKUP_BAR = 1.25;
const RESTORE_BAR = 1.1;
const UPLOAD_ROUNDS = 5;

const options = benchOptions(process.argv.slice(2));
const dir = await mkdtemp(join(options.dir ?? tmpdir(), "hf-bench-"));
await chmod(dir, 0o711);
try {
  print(`${String(cpus().length)} cores, ${cpus()[0]?.model ?? ""}, Node ${process.versions.node}, load ${loadText()}`);
  if (options.pairs > 0) await comparePairs();
  if (options.uploadBytes !== null) for (const line of await compareUploads(dir, { sizeBytes: options.uploadBytes, rounds: UPLOAD_ROUNDS })) print(line);
  if (options.standInBytes !== null) for (const line of await compareMemory(dir, options.standInBytes)) print(line);
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function comparePairs(): Promise<void> {
  const server = await startDatabase(options.sizeBytes, options.layout);
  try {
    const identity = await generateX25519Identity();
    const escrow = await generateX25519Identity();
    const identityPath = join(dir, "key.txt");
    await writeFile(identityPath, `${identity}\n`, { mode: 0o600 });
    const recipients = [await identityToRecipient(identity), await identityToRecipient(escrow)];
    const bench: Bench = { dir, connection: { ...server.connection }, socket: server.socket, dataDir: server.dataDir, identity, identityPath, recipients };
    const backups: Pair[] = [];
    const restores: Pair[] = [];
    for (let number = 0; number < options.pairs; number += 1) {
      const { backup, restore } = await onePair(bench);
      backups.push(backup);
      restores.push(restore);
      print(`pair ${String(number + 1)}: backup ${ratioText(backup)}, restore ${ratioText(restore)}, load ${loadText()}`);
    }
    for (const line of [...pairReport("backup", backups, BACKUP_BAR), sizeReport(backups), ...pairReport("restore", restores, RESTORE_BAR)]) print(line);
    if (options.peers) for (const line of await peerReport(bench)) print(line);
  } finally {
    await server.stop();
  }
}

async function onePair(bench: Bench): Promise<{ backup: Pair; restore: Pair }> {
  await settle(bench.dir);
  const shell = await shellBackup(bench);
  await settle(bench.dir);
  const holdfast = await holdfastBackup(bench);
  if (holdfast.report === null) throw new Error("the backup gave no report");
  await settle(bench.dir);
  const shellBack = await shellRestore(bench);
  await settle(bench.dir);
  const holdfastBack = await holdfastRestore(bench, holdfast.report);
  return { backup: { shell, holdfast }, restore: { shell: shellBack, holdfast: holdfastBack } };
}

function ratioText({ shell, holdfast }: Pair): string {
  return `${shell.wallS.toFixed(2)} / ${holdfast.wallS.toFixed(2)} s = ${(shell.wallS / holdfast.wallS).toFixed(2)}`;
}

function loadText(): string {
  return loadavg()[0]?.toFixed(1) ?? "";
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
