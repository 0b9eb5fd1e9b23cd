import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { runTool } from "../../src/lib/process.ts";
import type { LogPiece } from "../../src/engines/engine.ts";
import { LogCollector, startFollower, until } from "../fixtures/log-collector.ts";
import { type Mariadb, startMariadb } from "../fixtures/mariadb.ts";
import { tempDir, type TempDir } from "../fixtures/temp.ts";
import { type LogWriter, startWriter } from "../fixtures/log-writer.ts";

let server: Mariadb;
let scratch: TempDir;
let collector: LogCollector;
let writer: LogWriter | undefined;

beforeAll(async () => {
  server = await startMariadb();
  await server.run(
    "CREATE DATABASE shop",
    "CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, note TEXT)",
    "CREATE TABLE shop.batch (id INT AUTO_INCREMENT PRIMARY KEY, note TEXT)",
    "CREATE TABLE shop.events (id INT AUTO_INCREMENT PRIMARY KEY, body TEXT) ENGINE=Aria",
    "CREATE USER shipper@127.0.0.1 IDENTIFIED BY 's#cr\"et'",
    "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO shipper@127.0.0.1",
    "CREATE USER reader@127.0.0.1 IDENTIFIED BY 'x'",
    "GRANT BINLOG MONITOR ON *.* TO reader@127.0.0.1",
  );
});
afterAll(async () => {
  await server.stop();
});
beforeEach(async () => {
  scratch = await tempDir();
  collector = new LogCollector();
});
afterEach(async () => {
  await writer?.stop().catch(() => undefined);
  await scratch.remove();
});

const shipper = (): unknown => server.connectionOf("shipper", 's#cr"et');

async function currentPlace(): Promise<{ file: string; position: number }> {
  const session = await server.connect();
  try {
    const row = await session.row("SHOW MASTER STATUS");
    return { file: row?.["File"] ?? "", position: Number(row?.["Position"]) };
  } finally {
    await session.close();
  }
}

function reached(place: { file: string; position: number }): boolean {
  return collector.pieces.some((piece) => piece.file === place.file && piece.endPosition >= place.position);
}

async function shippedUpToNow(): Promise<void> {
  const place = await currentPlace();
  await until(`${place.file}:${String(place.position)} is shipped`, () => reached(place));
}

/** The server's own file. A server that was killed leaves the flag "in use" in byte 22, which a stream never has. */
async function serverFile(file: string): Promise<Buffer> {
  const bytes = await readFile(join(server.binlogDir, file));
  bytes.writeUInt8(bytes.readUInt8(21) & ~1, 21);
  return bytes;
}

/** GTIDs and ends of groups as the server's own tool prints them. */
async function scanByTool(file: string): Promise<{ gtids: string[]; ends: Set<number> }> {
  const { stdout } = await runTool({ file: "mariadb-binlog", args: ["--no-defaults", "--base64-output=decode-rows", join(server.binlogDir, file)] });
  const gtids = [...stdout.matchAll(/end_log_pos \d+ .*\tGTID (\d+-\d+-\d+)/g)].map((match) => match[1] ?? "");
  return { gtids, ends: new Set([...stdout.matchAll(/end_log_pos (\d+) /g)].map((match) => Number(match[1]))) };
}

async function expectWholeFile(file: string): Promise<void> {
  expect(collector.bytesOf(file).equals(await serverFile(file)), `${file} is byte-equal to the server's`).toBe(true);
  const { gtids, ends } = await scanByTool(file);
  const groups = collector.groupsOf(file);
  expect(groups.map((group) => group.gtid)).toEqual(gtids);
  expect(groups.filter((group) => !ends.has(group.end))).toEqual([]);
}

/** Process ids of our own running children of this name. */
async function ownTools(name: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry));
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")));
  return stats.filter((stat) => stat.includes(`(${name}) `) && stat.includes(`) S ${String(process.pid)} `)).map((stat) => stat.split(" ")[0] ?? "");
}

async function failure(work: Promise<unknown>): Promise<{ code: string; message: string; hint: string }> {
  const error: unknown = await work.then(() => null, (thrown: unknown) => thrown);
  if (!isHoldfastError(error)) throw new Error(`expected a HoldfastError, got ${String(error)}`);
  return error;
}

describe("following a live server", () => {
  test("brings every closed file byte for byte, with the groups the server's own tool sees, through rotations, restarts and a kill", async () => {
    const first = await currentPlace();
    const follower = await startFollower(collector, shipper(), { scratch: scratch.path, startAt: { ...first, gtid: "" }, mergeBytes: 256 * 1024 });
    writer = startWriter(server);
    await writer.ran(15);
    await server.run("FLUSH BINARY LOGS");
    await writer.ran(15);
    await writer.pause();
    await shippedUpToNow();
    await server.restart();
    writer.resume();
    await writer.ran(15);
    await writer.pause();
    await server.kill9();
    await server.restart();
    writer.resume();
    await writer.ran(15);
    await writer.stop();
    await server.run("FLUSH BINARY LOGS");
    await shippedUpToNow();
    await follower.stop();
    const last = await currentPlace();
    const files = (await readdir(server.binlogDir)).filter((name) => /\.\d+$/.test(name) && name >= first.file && name < last.file).sort();
    expect(files.length).toBeGreaterThanOrEqual(4);
    for (const file of files) {
      await expectWholeFile(file);
      expect(collector.pieces.filter((piece) => piece.file === file && piece.kind === "tail")).toEqual([]);
      expect(collector.pieces.filter((piece) => piece.file === file && piece.closesFile).length).toBe(1);
    }
    expectGtidsJoin(collector.pieces);
    expectKinds(collector.pieces);
  });

  test("a new follower goes on where the stored pieces end, without doubles or holes, and replaces the tails it never saw", async () => {
    const place = await currentPlace();
    const follower = await startFollower(collector, shipper(), { scratch: scratch.path });
    await server.run("INSERT INTO shop.orders (note) VALUES ('one')");
    await shippedUpToNow();
    await server.run("INSERT INTO shop.orders (note) VALUES ('two')");
    await shippedUpToNow();
    await follower.stop();
    const shipped = collector.shipped();
    expect(shipped.filter((piece) => piece.kind === "tail").length).toBeGreaterThanOrEqual(2);
    await server.run("INSERT INTO shop.orders (note) VALUES ('three')");
    const before = collector.all.length;
    const second = await startFollower(collector, shipper(), { scratch: scratch.path, shipped, dataIdentity: collector.all[0]?.piece.dataIdentity ?? null });
    await shippedUpToNow();
    const end = Math.max(...shipped.map((piece) => piece.endPosition));
    expect(collector.all[before]?.piece).toMatchObject({ kind: "tail", startPosition: end });
    expect(collector.all[before]?.piece.groups.length).toBe(1);
    await server.run("FLUSH BINARY LOGS");
    await shippedUpToNow();
    await second.stop();
    await expectWholeFile(place.file);
    const closing = collector.pieces.find((piece) => piece.file === place.file && piece.closesFile);
    expect(closing?.replaces).toEqual(expect.arrayContaining(shipped.map((piece) => piece.segmentId)));
    // As after a stop between two files: the newest stored one is whole, and the next begins at its head.
    const count = collector.all.length;
    const whole = collector.shippedOf(place.file);
    const third = await startFollower(collector, shipper(), { scratch: scratch.path, shipped: whole });
    await until("the next file comes", () => collector.all.length > count);
    await third.stop();
    expect(collector.all[count]?.piece).toMatchObject({ startPosition: 0, gtidBefore: closing?.gtidAfter });
    expect(collector.all[count]?.piece.file).not.toBe(place.file);
  });

  test("a connection that the server cuts, and a killed mariadb-binlog, are made again, without doubles or holes", async () => {
    const follower = await startFollower(collector, shipper(), { scratch: scratch.path });
    await server.run("INSERT INTO shop.orders (note) VALUES ('before')");
    await shippedUpToNow();
    const { file } = await currentPlace();
    const session = await server.connect();
    for (const row of await session.rows("SHOW PROCESSLIST")) if (row["Command"] === "Binlog Dump") await session.run(`KILL ${String(row["Id"])}`);
    await session.close();
    await server.run("INSERT INTO shop.orders (note) VALUES ('cut off by the server')");
    await shippedUpToNow();
    const [tool] = await ownTools("mariadb-binlog");
    process.kill(Number(tool), "SIGKILL");
    await server.run("INSERT INTO shop.orders (note) VALUES ('killed')", "FLUSH BINARY LOGS");
    await shippedUpToNow();
    await follower.stop();
    await expectWholeFile(file);
  });

  test("a connection that hangs without an error is noticed by the server's own list, and made again", async () => {
    const fast = { nowMs: () => Date.now(), monotonicMs: () => performance.now() * 60 };
    const follower = await startFollower(collector, shipper(), { scratch: scratch.path, clock: fast });
    await shippedUpToNow();
    const [tool] = await ownTools("mariadb-binlog");
    process.kill(Number(tool), "SIGSTOP");
    await server.run("INSERT INTO shop.orders (note) VALUES ('not heard of')");
    await shippedUpToNow();
    await follower.stop();
    expect(await ownTools("mariadb-binlog")).toEqual([]);
  });

  test("a piece that was not committed stops the follower instead of being forgotten", async () => {
    const careless = new LogCollector();
    careless.take = () => undefined;
    const follower = await startFollower(careless, shipper(), { scratch: scratch.path });
    expect((await failure(follower.done)).message).toContain("was not committed before the next one was asked for");
  });

  test("an idle server makes no pieces, and the end of the follower is quiet and leaves no process", async () => {
    const follower = await startFollower(collector, shipper(), { scratch: scratch.path });
    await shippedUpToNow();
    const count = collector.all.length;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(collector.all.length).toBe(count);
    await follower.stop();
    expect(await ownTools("mariadb-binlog")).toEqual([]);
  });

  test("a part that passes mergeBytes becomes a segment while the file is still open", async () => {
    const follower = await startFollower(collector, shipper(), { scratch: scratch.path, mergeBytes: 65_536 });
    for (let count = 0; count < 8; count += 1) await server.run("INSERT INTO shop.orders (note) VALUES (REPEAT('x', 20000))");
    await server.run("INSERT INTO shop.orders (note) VALUES (REPEAT('y', 300000))");
    await shippedUpToNow();
    await follower.stop();
    const segments = collector.pieces.filter((piece) => piece.kind === "segment");
    expect(segments.length).toBeGreaterThanOrEqual(2);
    expect(segments.every((piece) => !piece.closesFile && piece.bytes.length >= 65_536)).toBe(true);
    // At most the limit and one group, whatever that group's size.
    for (const piece of segments) expect(piece.bytes.length - (lastGroupBytes(piece))).toBeLessThan(65_536);
    const { file } = await currentPlace();
    const joined = collector.bytesOf(file);
    expect(joined.equals((await serverFile(file)).subarray(0, joined.length))).toBe(true);
  });
});

function lastGroupBytes(piece: LogPiece): number {
  const last = piece.groups.at(-1);
  return last === undefined ? 0 : last.end - last.start;
}

function expectGtidsJoin(pieces: LogPiece[]): void {
  const ordered = [...pieces].sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.startPosition - b.startPosition));
  for (const [index, piece] of ordered.entries()) {
    const before = ordered[index - 1];
    if (before !== undefined) expect(piece.gtidBefore, `${piece.file}:${String(piece.startPosition)}`).toBe(before.gtidAfter);
  }
}

/** The writer's kinds of work are seen for what they are. */
function expectKinds(pieces: LogPiece[]): void {
  const groups = pieces.flatMap((piece) => piece.groups);
  expect(groups.some((group) => group.ddl && group.statement?.startsWith("ALTER TABLE"))).toBe(true);
  expect(groups.some((group) => group.ddl && group.statement?.startsWith("CREATE USER"))).toBe(true);
  expect(groups.some((group) => group.stampS > Date.now() / 1_000 + 3_600)).toBe(true);
  expect(groups.some((group) => group.durationS >= 1)).toBe(true);
  expect(groups.some((group) => !group.ddl && group.statement?.startsWith("XA COMMIT"))).toBe(true);
  expect(groups.some((group) => group.tables.some((table) => table.name === "shop.orders" && table.bytes > 0))).toBe(true);
  expect(groups.some((group) => group.tables.length === 2)).toBe(true);
}

describe("what cannot go on is refused by name", () => {
  test("a wrong password", async () => {
    const follower = await startFollower(collector, server.connectionOf("shipper", "wrong"), { scratch: scratch.path });
    expect((await failure(follower.done)).code).toBe("DATABASE_LOGIN");
  });

  test("an account that is no replica, with the GRANT to run", async () => {
    const follower = await startFollower(collector, server.connectionOf("reader", "x"), { scratch: scratch.path });
    const error = await failure(follower.done);
    expect(error.code).toBe("PRIVILEGE_MISSING");
    expect(error.hint).toContain("GRANT REPLICATION SLAVE");
    expect(error.hint).toContain("'reader'@'127.0.0.1'");
  });

  test("another server's data", async () => {
    const follower = await startFollower(collector, shipper(), { scratch: scratch.path, dataIdentity: "data=1-1" });
    expect((await failure(follower.done)).code).toBe("LINEAGE_CHANGED");
  });

  test("a piece that the server's file does not hold", async () => {
    const first = await startFollower(collector, shipper(), { scratch: scratch.path });
    await shippedUpToNow();
    await first.stop();
    const shipped = collector.shipped().map((piece) => ({ ...piece, plainSha256: "0".repeat(64) }));
    const second = await startFollower(collector, shipper(), { scratch: scratch.path, shipped });
    expect((await failure(second.done)).code).toBe("LINEAGE_CHANGED");
  });

  test("a file that was purged before it was shipped, and RESET MASTER while and after following", async () => {
    const place = await currentPlace();
    await server.run("FLUSH BINARY LOGS", "INSERT INTO shop.orders (note) VALUES ('later')");
    const { file } = await currentPlace();
    await server.run(`PURGE BINARY LOGS TO '${file}'`);
    const purged = await startFollower(collector, shipper(), { scratch: scratch.path, startAt: { ...place, gtid: "" } });
    const error = await failure(purged.done);
    expect(error.code).toBe("LOG_PURGED");
    expect(error.message).toContain(place.file);
    const follower = await startFollower(collector, shipper(), { scratch: scratch.path });
    await shippedUpToNow();
    await server.run("RESET MASTER", "INSERT INTO shop.orders (note) VALUES ('anew')");
    expect((await failure(follower.done)).code).toBe("LINEAGE_CHANGED");
    const after = await startFollower(collector, shipper(), { scratch: scratch.path, shipped: collector.shipped() });
    expect((await failure(after.done)).code).toBe("LINEAGE_CHANGED");
  });

  test("a reset log whose first file has the old name but other bytes", async () => {
    await server.run("RESET MASTER", "INSERT INTO shop.orders (note) VALUES ('a')");
    const follower = await startFollower(collector, shipper(), { scratch: scratch.path });
    await shippedUpToNow();
    await follower.stop();
    const shipped = collector.shipped();
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await server.run("RESET MASTER", "INSERT INTO shop.orders (note) VALUES ('a')", "INSERT INTO shop.orders (note) VALUES ('b')");
    const after = await startFollower(collector, shipper(), { scratch: scratch.path, shipped });
    expect((await failure(after.done)).code).toBe("LINEAGE_CHANGED");
  });
});
