import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Connection, createConnection, type RowDataPacket } from "mysql2/promise";
import { initDataDir, sandboxAccount, startServer } from "../engines/mysql/server-process.ts";
import { silentLog } from "../lib/log.ts";
import type { RunAs } from "../lib/process.ts";
import { freePort } from "./free-port.ts";

/** A MariaDB of the demo's own, on loopback, in a directory that goes with the demo. */
export interface SourceServer {
  readonly version: string;
  readonly socket: string;
  readonly port: number;
  connect(): Promise<Connection>;
  logPosition(): Promise<{ file: string; position: number }>;
  /** kill -9, then data and logs are deleted: the machine is gone. */
  destroy(): Promise<void>;
  stop(): Promise<void>;
}

const BASE_CONFIG = {
  server_id: "1001",
  character_set_server: "utf8mb4",
  innodb_buffer_pool_size: "64M",
  innodb_log_file_size: "256M",
  performance_schema: "OFF",
  skip_name_resolve: true,
  max_allowed_packet: "64M",
} as const;

/** A session as root. */
export async function connectTo(socketPath: string): Promise<Connection> {
  const connection = await createConnection({ socketPath, user: "root", charset: "utf8mb4" });
  // A server that is killed on purpose must not take the demo with it.
  connection.on("error", () => undefined);
  return connection;
}

/** Where the server's binary log ends now. */
export async function logPositionOf(connection: Connection): Promise<{ file: string; position: number }> {
  const [status] = await connection.query<RowDataPacket[]>("SHOW MASTER STATUS");
  return { file: String(status[0]?.["File"]), position: Number(status[0]?.["Position"]) };
}

/** A directory that belongs to the account throwaway servers run as. */
async function ownedDir(path: string, account = sandboxAccount()): Promise<string> {
  await mkdir(path, { recursive: true, mode: 0o711 });
  if (account !== undefined) await chown(path, account.uid, account.gid);
  return path;
}

/** With this in its environment, MariaDB lets its group list the folders of its schemas, as it lets it read their files anyway. */
const GROUP_READS = { UMASK_DIR: "0750" } as const;

/** Its group may read the data directory: an agent that is another user needs no more. */
export async function startSource(rootDir: string): Promise<SourceServer> {
  await chmod(rootDir, 0o711);
  const runAs = sandboxAccount();
  const home = await ownedDir(join(rootDir, "source"));
  const dataDir = await ownedDir(join(home, "data"));
  const logDir = await ownedDir(join(home, "log"));
  const port = await freePort();
  await initDataDir({ dataDir, runAs });
  await letGroupRead(dataDir);
  const binlog = { log_bin: join(logDir, "mariadb-bin"), binlog_format: "ROW", sync_binlog: "1" };
  const server = await startServer({ dataDir, socket: join(home, "s"), port, runAs, env: GROUP_READS, errorLog: join(home, "error.log"), extraConfig: { ...BASE_CONFIG, ...binlog }, log: silentLog });
  const connection = await connectTo(server.socket);
  const [rows] = await connection.query<RowDataPacket[]>("SELECT VERSION() AS version");
  return {
    version: String(rows[0]?.["version"]),
    socket: server.socket,
    port,
    connect: () => connectTo(server.socket),
    logPosition: () => logPositionOf(connection),
    destroy: async () => {
      server.kill("SIGKILL");
      await server.exited;
      connection.destroy();
      await rm(home, { recursive: true, force: true });
    },
    stop: async () => {
      connection.destroy();
      server.kill("SIGTERM");
      await server.exited;
    },
  };
}

async function letGroupRead(dataDir: string): Promise<void> {
  const folders = (await readdir(dataDir, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  for (const path of [dataDir, ...folders.map(({ name }) => join(dataDir, name))]) await chmod(path, 0o750);
}

/** A plain server on a restored data directory, as its owner would start it. */
export async function startRestored(dataDir: string, rootDir: string, owner?: RunAs): Promise<{ connect: () => Promise<Connection>; stop: () => Promise<void> }> {
  const runAs = owner ?? sandboxAccount();
  const home = await ownedDir(join(rootDir, `r${randomBytes(3).toString("hex")}`), runAs);
  const server = await startServer({ dataDir, socket: join(home, "s"), runAs, errorLog: join(home, "error.log"), extraConfig: { ...BASE_CONFIG, server_id: "1002" }, log: silentLog });
  return {
    connect: () => connectTo(server.socket),
    stop: async () => {
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}
