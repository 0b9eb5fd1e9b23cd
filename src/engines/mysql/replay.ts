import { constants } from "node:fs";
import { chown, copyFile, link, open, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { delay } from "../../lib/clock.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { RunAs } from "../../lib/process.ts";
import { comparePositions, formatPosition, type LogPosition, logFileNumber } from "../../model/position.ts";
import type { Row, Session } from "./connect.ts";
import { limitReplay } from "./table/replay-filter.ts";
import { eventsAsleep, wakeEvents } from "./replayed-events.ts";

export interface ReplayRequest {
  /** Whole log files in order; the last may end at the stop place. */
  readonly logFiles: readonly string[];
  readonly start: LogPosition;
  readonly stop: { readonly file: string; readonly position: number };
  /** The sandbox's directory of relay logs. */
  readonly relayDir: string;
  readonly runAs: RunAs | undefined;
  readonly signal: AbortSignal;
  /** Only changes of these tables are applied, and statements that name none; everything when absent. See table/replay-filter.ts. */
  readonly onlyTables?: readonly { readonly schema: string; readonly table: string }[];
}

const CONNECTION = "replay";
const POLL_MS = 40;
/** A thread that waits for more log is asked this often before its place counts as the end. */
const IDLE_LOOKS = 3;

/**
 * Replays log files up to an exact place: they are put where the server keeps its relay logs, and its own replication
 * SQL thread applies them (checking every event's checksum) with `UNTIL` that place. `mariadb-binlog | mariadb` is not
 * used: it writes names into comments of its SQL, and a name with a line break ends the comment, which breaks the replay
 * or smuggles statements into it; it also cannot load statement-format LOAD DATA.
 * Throws GAP for files that do not join or end too early, TOOL_FAILED when an event cannot be applied.
 */
export async function replayLogs(session: Session, request: ReplayRequest): Promise<void> {
  const { start, stop, signal } = request;
  requireJoined(request.logFiles, start, stop);
  if (comparePositions(start, stop) === 0) return;
  await requireReaching(request);
  const serverId = await logServerId(request.logFiles[0] ?? "");
  const asleepBefore = await eventsAsleep(session, serverId);
  const lastRelay = await layRelayLogs(request);
  signal.throwIfAborted();
  await session.run(
    `CHANGE MASTER '${CONNECTION}' TO master_host='127.0.0.1', master_port=1, master_user='nobody', master_use_gtid=no, master_log_file=?, master_log_pos=?, relay_log_file=?, relay_log_pos=?`,
    [start.file, start.position, relayName(1), start.position],
  );
  try {
    if (request.onlyTables !== undefined) await limitReplay(session, CONNECTION, request.onlyTables);
    await session.run(`START SLAVE '${CONNECTION}' SQL_THREAD UNTIL relay_log_file=?, relay_log_pos=?`, [lastRelay, stop.position]);
    await untilReached(session, request, lastRelay);
  } finally {
    await session.run(`STOP SLAVE '${CONNECTION}'`);
    await session.run(`RESET SLAVE '${CONNECTION}' ALL`);
  }
  await wakeEvents(session, serverId, asleepBefore);
}

/** Throws GAP unless the files are those from `start` to `stop` without a hole in their numbers, INPUT_INVALID for a stop before the start. */
export function requireJoined(logFiles: readonly string[], start: Pick<LogPosition, "file" | "position">, stop: { file: string; position: number }): void {
  if (comparePositions(start, stop) > 0) throw new HoldfastError("INPUT_INVALID", `Replay cannot go back from ${formatPosition(start)} to ${formatPosition(stop)}.`);
  const names = logFiles.map((path) => basename(path));
  if (names[0] !== start.file) throw gap(`Replay begins at ${formatPosition(start)}, but the first log file at hand is ${names[0] ?? "none"}.`);
  if (names.at(-1) !== stop.file) throw gap(`Replay stops at ${formatPosition(stop)}, but the last log file at hand is ${names.at(-1) ?? "none"}.`);
  names.slice(1).forEach((name, index) => {
    const before = names[index] ?? "";
    if (logFileNumber(name) !== logFileNumber(before) + 1) throw gap(`The log jumps from ${before} to ${name}.`);
  });
}

async function requireReaching({ logFiles, start, stop }: ReplayRequest): Promise<void> {
  const first = await stat(logFiles[0] ?? "");
  if (first.size < start.position) throw gap(`The log file ${start.file} ends at ${String(first.size)}, before the start of the replay at ${String(start.position)}.`);
  const last = await stat(logFiles.at(-1) ?? "");
  if (last.size < stop.position) throw gap(`The log file ${stop.file} ends at ${String(last.size)}, before the stop place ${String(stop.position)}.`);
}

function gap(message: string): HoldfastError {
  return new HoldfastError("GAP", message);
}

/** Every log file begins with a format event whose header names the server that wrote it (offset 4, id at byte 5). */
async function logServerId(path: string): Promise<number> {
  const file = await open(path, "r");
  try {
    const head = Buffer.alloc(13);
    const { bytesRead } = await file.read(head, 0, 13, 0);
    if (bytesRead < 13 || head.readUInt32BE(0) !== 0xfe62696e) throw new HoldfastError("FORMAT_INVALID", `${basename(path)} is not a binary log: its first bytes are wrong.`);
    return head.readUInt32LE(9);
  } finally {
    await file.close();
  }
}

/** Relay log and index names of a named connection carry its name. */
function relayName(number: number): string {
  return `relay-${CONNECTION}.${String(number).padStart(6, "0")}`;
}

/** Puts the files and their index in place; the server only reads them, and removes its links at the end. */
async function layRelayLogs({ logFiles, relayDir, runAs }: ReplayRequest): Promise<string> {
  const paths: string[] = [];
  for (const [index, logFile] of logFiles.entries()) {
    const path = join(relayDir, relayName(index + 1));
    await rm(path, { force: true });
    await linkOrCopy(logFile, path);
    if (runAs !== undefined) await chown(path, runAs.uid, runAs.gid);
    paths.push(path);
  }
  const indexPath = join(relayDir, `relay-${CONNECTION}.index`);
  await writeFile(indexPath, paths.map((path) => `${path}\n`).join(""), { mode: 0o600 });
  if (runAs !== undefined) await chown(indexPath, runAs.uid, runAs.gid);
  return relayName(paths.length);
}

/** A second name for a file, which costs nothing; a copy where there can be none: on another file system (EXDEV), or where the kernel forbids it (EPERM). */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EXDEV" && code !== "EPERM") throw error;
    await copyFile(from, to, constants.COPYFILE_FICLONE);
  }
}

async function untilReached(session: Session, request: ReplayRequest, lastRelay: string): Promise<void> {
  for (let idleLooks = 0; ; ) {
    request.signal.throwIfAborted();
    const status = replayStatus(await session.row(`SHOW SLAVE '${CONNECTION}' STATUS`));
    const reached = status.file === lastRelay && status.position === request.stop.position;
    if (status.errno !== 0) throw stopped(request, status, `error ${String(status.errno)}: ${status.error}`);
    if (reached && (status.waiting || !status.running)) return;
    if (!status.running) throw stopped(request, status, "the server gave no reason");
    idleLooks = status.waiting ? idleLooks + 1 : 0;
    // All log is read, and still the place is another: the stop place is inside a group, or the log is torn.
    if (idleLooks >= IDLE_LOOKS) throw stopped(request, status, "no whole group ends at the stop place");
    await delay(POLL_MS, request.signal);
  }
}

interface ReplayStatus {
  readonly running: boolean;
  readonly waiting: boolean;
  readonly file: string;
  readonly position: number;
  readonly errno: number;
  readonly error: string;
}

function replayStatus(row: Row | null): ReplayStatus {
  return {
    running: row?.["Slave_SQL_Running"] === "Yes",
    waiting: /has read all relay log/i.test(row?.["Slave_SQL_Running_State"] ?? ""),
    file: row?.["Relay_Log_File"] ?? "",
    position: Number(row?.["Relay_Log_Pos"] ?? -1),
    errno: Number(row?.["Last_SQL_Errno"] ?? 0),
    error: row?.["Last_SQL_Error"] ?? "",
  };
}

function stopped(request: ReplayRequest, status: ReplayStatus, why: string): HoldfastError {
  const number = /\.(\d+)$/.exec(status.file)?.[1];
  const file = basename(request.logFiles[Number(number) - 1] ?? status.file);
  return new HoldfastError("TOOL_FAILED", `Replay stopped at ${file}:${String(status.position)} and did not reach ${formatPosition(request.stop)}: ${why}`, {
    hint: "The log does not fit this backup, or is damaged; run `holdfast repository check`, or restore to a place before it.",
  });
}
