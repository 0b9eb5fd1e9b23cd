import { chmod, chown } from "node:fs/promises";
import { join } from "node:path";
import type { Connection } from "mysql2/promise";
import { connectTo, logPositionOf } from "../../src/demo/source-server.ts";
import { sandboxAccount } from "../../src/engines/mysql/server-process.ts";
import { generateKeyPair, writeIdentityFile } from "../../src/keys/identities.ts";
import { delay, systemClock } from "../../src/lib/clock.ts";
import { type HoldfastPlace, type HoldfastProcess, startHoldfastProcess } from "../fixtures/holdfast-process.ts";
import { binlogFilesOf, type Mariadb, startMariadb } from "../fixtures/mariadb.ts";
import { tempDir } from "../fixtures/temp.ts";
import { type Disk, mountDisk } from "./disk.ts";
import { Witness } from "./witness.ts";

export type DiskName = "repository" | "state" | "target";
const DISK_MIB: Readonly<Record<DiskName, number>> = { repository: 2_048, state: 1_024, target: 2_048 };

export type Pace = "full" | "slow";
/** What a configuration has besides, for each pace. Slow: 32 MiB of packs are soon full, and what comes then goes to the spool. */
const PACES: Readonly<Record<Pace, string>> = { full: "", slow: "agent: { bufferBytes: 32MiB, uploadBytesPerS: 8MiB }\n" };
const BALLAST_BYTES = 56 * 1024 ** 2;

/** A real database server with a writer, a real `holdfast up`, and three disks that can be full. */
export interface Ground {
  readonly rootDir: string;
  readonly repositoryPath: string;
  readonly targetPath: string;
  readonly statePath: string;
  readonly logPath: string;
  readonly dailyKeyPath: string;
  readonly mariadb: Mariadb;
  readonly disks: Readonly<Record<DiskName, Disk>>;
  readonly witness: Witness;
  readonly signal: AbortSignal;
  up(): HoldfastProcess;
  /** Starts `holdfast up` unless it runs. True when it had to. */
  ensureUp(): Promise<boolean>;
  /** Lets the repository take less than the tool gives, with a source that has enough to give; restarts Holdfast when that changes. */
  setPace(pace: Pace): Promise<void>;
  /** A server that tables can be loaded into; started when it is first asked for. */
  otherServer(): Promise<Mariadb>;
  connect(): Promise<Connection>;
  logPosition(): Promise<{ file: string; position: number }>;
  /** The server's own binary log files, in order. */
  binlogFiles(): Promise<string[]>;
  remove(): Promise<void>;
}

export async function makeGround(random: () => number): Promise<Ground> {
  const root = await tempDir();
  const controller = new AbortController();
  const mariadb = await startMariadb({ config: { innodb_log_file_size: "16M" } });
  const disks = await mountDisks(root.path);
  const targetPath = disks.target.path;
  const account = sandboxAccount();
  if (account !== undefined) await chown(targetPath, account.uid, account.gid);
  const repositoryPath = join(disks.repository.path, "r");
  const configPath = join(root.path, "holdfast.yaml");
  const dailyKeyPath = join(root.path, "daily.key");
  const recipients = [await newKey(dailyKeyPath), await newKey(join(root.path, "escrow.key"))];
  const yaml = configuration({ rootDir: root.path, repositoryPath, dailyKeyPath, recipients, socket: mariadb.socket });
  let pace: Pace = "full";
  let other: Promise<Mariadb> | undefined;
  const place = (): HoldfastPlace => ({ configPath, yaml: `${yaml}${PACES[pace]}`, rootDir: root.path, repositoryPath, signal: controller.signal });
  const connections: Connection[] = [];
  const connect = async (): Promise<Connection> => {
    const connection = await connectTo(mariadb.socket);
    connections.push(connection);
    return connection;
  };
  let up: HoldfastProcess | undefined;
  const running = (): HoldfastProcess => {
    if (up === undefined) throw new Error("Holdfast was never started");
    return up;
  };
  let removing: Promise<void> | undefined;
  const remove = async (): Promise<void> => {
    controller.abort();
    for (const connection of connections) connection.destroy();
    if (up?.isRunning() === true) await up.kill9();
    await mariadb.stop();
    await (await other)?.stop();
    // Tools of a process that was just killed may still let go of their files.
    await delay(200);
    for (const disk of Object.values(disks)) disk.remove();
    await root.remove();
  };
  const witness = new Witness(connect, random);
  const ground: Ground = {
    rootDir: root.path, repositoryPath, targetPath, dailyKeyPath, mariadb, disks, connect, witness,
    statePath: disks.state.path,
    logPath: join(disks.state.path, "holdfast.log"),
    signal: controller.signal,
    up: running,
    ensureUp: async () => {
      if (up?.isRunning() === true) return false;
      up = await startHoldfastProcess(place());
      return true;
    },
    setPace: async (wanted) => {
      if (wanted === pace) return;
      pace = wanted;
      if (running().isRunning()) await running().stop();
      up = await startHoldfastProcess(place());
      await witness.setBallast(wanted === "slow" ? BALLAST_BYTES : 0);
    },
    otherServer: () => (other ??= startMariadb({ binlog: false })),
    logPosition: () => positionOf(connect),
    binlogFiles: () => binlogFilesOf(mariadb),
    remove: () => (removing ??= remove()),
  };
  try {
    await ground.ensureUp();
    await witness.begin();
    return ground;
  } catch (error) {
    await ground.remove();
    throw error;
  }
}

async function mountDisks(rootDir: string): Promise<Record<DiskName, Disk>> {
  const mount = (name: DiskName): Promise<Disk> => mountDisk(join(rootDir, name), DISK_MIB[name]);
  return { repository: await mount("repository"), state: await mount("state"), target: await mount("target") };
}

async function newKey(path: string): Promise<string> {
  const pair = await generateKeyPair();
  await writeIdentityFile(path, pair, systemClock);
  await chmod(path, 0o600);
  return pair.recipient;
}

async function positionOf(connect: () => Promise<Connection>): Promise<{ file: string; position: number }> {
  const connection = await connect();
  try {
    return await logPositionOf(connection);
  } finally {
    connection.destroy();
  }
}

function configuration(at: { rootDir: string; repositoryPath: string; dailyKeyPath: string; recipients: readonly string[]; socket: string }): string {
  return `stateDir: ${at.rootDir}/state
logLevel: debug
keys:
  recipients: [${at.recipients.join(", ")}]
  identities: [${at.dailyKeyPath}]
repositories:
  main: { kind: local, options: { path: ${at.repositoryPath} } }
policies:
  soak:
    repository: main
    full: { cron: "0 0 1 1 *" }
    logs: { shipEvery: 1s }
    verification: { schedule: { cron: "0 0 1 1 *" } }
instances:
  shop:
    engine: mysql
    policy: soak
    timeZone: Europe/Berlin
    connection: { socket: ${at.socket}, user: root }
`;
}
