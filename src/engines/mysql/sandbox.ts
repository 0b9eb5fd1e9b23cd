import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { delay } from "../../lib/clock.ts";
import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import type { Assertion } from "../../model/policy.ts";
import type { EngineContext, Sandbox } from "../engine.ts";
import { checkAllTables } from "./check-tables.ts";
import { openSession, type Session } from "./connect.ts";
import { countRows, listTables } from "./counts.ts";
import { writeDefaultsFile } from "./defaults-file.ts";
import { dumpTable } from "./dump-table.ts";
import { readHeartbeat } from "./heartbeat.ts";
import { objectDigests } from "./objects.ts";
import type { MysqlConnection } from "./options.ts";
import { giveTree, requireReachable } from "./ownership.ts";
import { replayLogs, type ReplayRequest } from "./replay.ts";
import { SANDBOX_ACCOUNT, SANDBOX_USER } from "./sandbox-account.ts";
import { readBackupConfig, sandboxConfig } from "./sandbox-config.ts";
import { randomServerId, type SandboxPlace, sandboxPlace } from "./sandbox-place.ts";
import { keptSettings } from "./sandbox-settings.ts";
import { logTail, type RunningServer, startServer } from "./server-process.ts";
import { toolFile } from "./tools.ts";

export { loadSql } from "./load-sql.ts";
export { serve } from "./serve.ts";

/** More than this only makes CHECK TABLE wait for the disk. */
const CHECK_SESSIONS = 4;
const EXIT_KNOWN_AFTER_MS = 1_000;

/** What this engine's own code may do with a sandbox beyond what every engine offers. */
export interface MysqlSandbox extends Sandbox {
  /** Works with a session of its own. */
  ask<T>(task: (session: Session) => Promise<T>): Promise<T>;
  /** Replays like `replay`, but only changes of these tables. */
  replayTables(tables: readonly { schema: string; table: string }[], log: Pick<ReplayRequest, "logFiles" | "start" | "stop">, signal: AbortSignal): Promise<void>;
}

interface Inside {
  readonly context: EngineContext;
  readonly server: RunningServer;
  readonly place: SandboxPlace;
  readonly connection: MysqlConnection;
  readonly defaultsFile: string;
  readonly signal: AbortSignal;
}

/**
 * Starts a throwaway server on a prepared directory: no network, no replication, no events, no path of the source.
 * Holdfast works in it under an account of its own with a random password, made by the init file and dropped by
 * `stop`: the restored accounts are never changed, because somebody may keep the directory, and neither skip_grant_tables
 * (which refuses replayed GRANTs) nor root's login has to be touched. The directory then belongs to the sandbox's account.
 */
export async function startSandbox(context: EngineContext, dataDir: string, signal: AbortSignal): Promise<MysqlSandbox> {
  signal.throwIfAborted();
  const settings = { ...(await keptSettings(context.scratchDir, dataDir)), ...(await readBackupConfig(dataDir)) };
  const runAs = context.sandboxUser;
  await requireReachable(dataDir, runAs);
  await requireReachable(`${context.scratchDir}/x`, runAs);
  await giveTree(dataDir, runAs);
  const place = await sandboxPlace(context.scratchDir, runAs);
  try {
    const password = randomBytes(24).toString("base64url");
    const connection: MysqlConnection = { socket: place.socket, user: SANDBOX_USER, password };
    const defaultsFile = await writeDefaultsFile(place.clientDir, connection);
    const server = await startServer({
      program: await toolFile("mariadbd"),
      dataDir,
      socket: place.socket,
      runAs,
      errorLog: place.errorLog,
      extraConfig: sandboxConfig(place, settings, randomServerId(), process.availableMemory()),
      initSql: initSql(password),
      signal,
      log: context.log,
    });
    return sandboxOn({ context, server, place, connection, defaultsFile, signal });
  } catch (error) {
    await place.remove();
    throw error;
  }
}

/** One statement a line, as init_file demands. */
function initSql(password: string): string {
  return [
    "SET SESSION sql_log_bin = 0;",
    `CREATE OR REPLACE USER ${SANDBOX_ACCOUNT} IDENTIFIED BY '${password}';`,
    `GRANT ALL PRIVILEGES ON *.* TO ${SANDBOX_ACCOUNT} WITH GRANT OPTION;`,
    "",
  ].join("\n");
}

function sandboxOn(inside: Inside): MysqlSandbox {
  const { server, place, context } = inside;
  const work = <T>(task: (session: Session) => Promise<T>, signal = inside.signal): Promise<T> => withSessions(inside, 1, signal, ([session]) => task(session as Session));
  const replay = (request: Pick<ReplayRequest, "logFiles" | "start" | "stop" | "onlyTables" | "signal">): Promise<void> =>
    work((session) => replayLogs(session, { ...request, relayDir: place.relayDir, runAs: context.sandboxUser }), request.signal);
  let stopping: Promise<void> | undefined;
  return {
    ask: (task) => work(task),
    replayTables: (onlyTables, log, signal) => replay({ ...log, onlyTables, signal }),
    socket: server.socket,
    pid: server.pid,
    replay: (logFiles, start, stop, signal) => replay({ logFiles, start, stop, signal }),
    objectDigests: () => work((session) => objectDigests(session)),
    rowCounts: (tables) => work(async (session) => countRows(session, tables === "all" ? await listTables(session) : tables)),
    checkTables: (signal) => withSessions(inside, Math.min(CHECK_SESSIONS, availableParallelism()), signal, checkAllTables),
    assertion: (check) => work((session) => assertionFault(session, check)),
    heartbeat: () => work(readHeartbeat),
    dumpTable: ({ schema, table }, sqlPath, signal) => work((session) => dumpTable(session, { schema, table, sqlPath, defaultsFile: inside.defaultsFile, signal }), signal),
    stop: () => (stopping ??= stopSandbox(inside)),
  };
}

/** Logs in as often as asked, works, logs out. A server that is gone is the sandbox's failure, told with its own last words. */
async function withSessions<T>(inside: Inside, count: number, signal: AbortSignal, task: (sessions: readonly Session[]) => Promise<T>): Promise<T> {
  const sessions: Session[] = [];
  try {
    while (sessions.length < count) sessions.push(await openSession(inside.connection, { signal }));
    return await task(sessions);
  } catch (error) {
    if (!isHoldfastError(error, "DATABASE_UNREACHABLE")) throw error;
    const tail = await logTail(inside.place.errorLog);
    const killedBy = await killerOf(inside.server);
    const details = killedBy === null ? {} : { killedBy };
    throw new HoldfastError("SANDBOX_FAILED", `The sandbox server is gone: ${error.message} Its log ends: ${tail}`, { cause: error, details });
  } finally {
    await Promise.all(sessions.map((session) => session.close()));
  }
}

/** The signal that ended a server; null when it ended otherwise or still runs. Its connections break a moment before its end is known. */
async function killerOf(server: RunningServer): Promise<NodeJS.Signals | null> {
  const exit = await Promise.race([server.exited, delay(EXIT_KNOWN_AFTER_MS).then(() => null)]);
  return exit?.killedBy ?? null;
}

/** Runs the owner's query read-only; the first column of the first row counts, as text. */
async function assertionFault(session: Session, check: Assertion): Promise<string | null> {
  await session.run("START TRANSACTION READ ONLY");
  try {
    const row = await session.row(check.sql);
    if (row === null) return "no row";
    const value = Object.values(row)[0] ?? null;
    return value === check.equals ? null : (value ?? "NULL");
  } catch (error) {
    if (isHoldfastError(error, "DATABASE_UNREACHABLE")) throw error;
    return error instanceof Error ? error.message : String(error);
  } finally {
    await session.run("ROLLBACK").catch(() => undefined);
  }
}

async function stopSandbox(inside: Inside): Promise<void> {
  const { server, place, signal } = inside;
  try {
    // After a cancel the server is being killed already, and nobody will keep its data.
    if (!signal.aborted) await withSessions(inside, 1, signal, ([session]) => (session as Session).run(`DROP USER IF EXISTS ${SANDBOX_ACCOUNT}`));
  } finally {
    try {
      await server.stop().catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    } finally {
      await place.remove();
    }
  }
}
