import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext, Sandbox, Unpacked } from "../../src/engines/engine.ts";
import { type Session, withConnection } from "../../src/engines/mysql/connect.ts";
import { objectDigests } from "../../src/engines/mysql/objects.ts";
import { prepare, unpack } from "../../src/engines/mysql/prepare.ts";
import { loadSql, serve, startSandbox } from "../../src/engines/mysql/sandbox.ts";
import type { ObjectDigest } from "../../src/model/backup-index.ts";
import type { LogPosition } from "../../src/model/position.ts";
import { type Mariadb, startMariadb } from "../fixtures/mariadb.ts";
import { contentOf, contextIn, copyLogs, logPlace, takeBackup, type TakenBackup, unpackAll } from "../fixtures/mysql-chain.ts";
import { type TempDir, tempDir } from "../fixtures/temp.ts";

const NEVER = new AbortController().signal;
/** A blank, a line break, quotes, a backtick, a character of three bytes. */
const ODD_SCHEMA = "od d\n'\"`☃";
const ODD_TABLE = "-t a\n'\"`☃";
const id = (name: string): string => `\`${name.replaceAll("`", "``")}\``;
const ODD = `${id(ODD_SCHEMA)}.${id(ODD_TABLE)}`;
const ROWS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)";

let source: Mariadb;
let streams: TempDir;
let full: TakenBackup;
let first: TakenBackup;
let second: TakenBackup;
/** What the source held when the second incremental was done, and at the stop place. */
let atBackup: Record<string, string>;
let atStop: Record<string, string>;
let digestsAtStop: ObjectDigest[];
let stopPlace: { file: string; position: number };
let heartbeatAtStop: string | null;

let scratch: TempDir;
let context: EngineContext;
const sandboxes: Sandbox[] = [];

async function fillSource(): Promise<void> {
  await source.run(
    `CREATE DATABASE ${id(ODD_SCHEMA)} CHARACTER SET utf8mb4`,
    `CREATE TABLE ${ODD} (id INT PRIMARY KEY, note TEXT, bytes VARBINARY(20))`,
    `INSERT INTO ${ODD} ${ROWS} SELECT i, CONCAT('line\\nbreak ☃ ', i), UNHEX('00FF0A0D27') FROM n`,
    `CREATE TRIGGER ${id(ODD_SCHEMA)}.keep BEFORE INSERT ON ${ODD} FOR EACH ROW SET NEW.note = CONCAT(NEW.note, '!')`,
    "CREATE DATABASE shop",
    "CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, amount DECIMAL(12,2), at TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6), FULLTEXT (note), note TEXT)",
    `INSERT INTO shop.orders (amount, note) ${ROWS} SELECT i * 1.25, REPEAT('lorem ', 20) FROM n`,
    "CREATE TABLE shop.parts (a INT) PARTITION BY HASH(a) PARTITIONS 3",
    "CREATE TABLE shop.old (a INT) ENGINE=MyISAM",
    "CREATE TABLE shop.aria (a INT) ENGINE=Aria",
    "CREATE TABLE shop.renamed (a INT)",
    "CREATE TABLE shop.dropped (a INT)",
    "CREATE TABLE shop.versioned (a INT PRIMARY KEY, b INT) WITH SYSTEM VERSIONING",
    "CREATE SEQUENCE shop.numbers",
    "CREATE VIEW shop.sums AS SELECT SUM(amount) AS total FROM shop.orders",
    "CREATE PROCEDURE shop.noop() SELECT 1",
    "CREATE USER 'app'@'%' IDENTIFIED BY 'a;''\\\\b'",
    "GRANT SELECT ON shop.* TO 'app'@'%'",
    "INSERT INTO shop.parts VALUES (1), (2), (3)",
    "INSERT INTO shop.old VALUES (1)",
    "INSERT INTO shop.aria VALUES (1)",
    "INSERT INTO shop.versioned VALUES (1, 1)",
    "SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0.001",
  );
}

/** Makes the server write its dirty pages, so that each backup ends at another LSN. */
async function checkpoint(): Promise<void> {
  await source.run("SET GLOBAL innodb_log_checkpoint_now = ON").catch(() => source.restart());
}

async function changesForReplay(): Promise<void> {
  await source.run(
    `INSERT INTO ${ODD} VALUES (5000, 'late', NULL)`,
    `ALTER TABLE ${ODD} ADD COLUMN more INT DEFAULT 7`,
    "FLUSH BINARY LOGS",
    "UPDATE shop.orders SET amount = amount + 1 WHERE id <= 100",
    "UPDATE shop.versioned SET b = 2",
    "CREATE USER 'late'@'localhost' IDENTIFIED BY 'pw'",
    "GRANT INSERT ON shop.orders TO 'late'@'localhost'",
    "CREATE EVENT shop.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO shop.nowhere VALUES (1)",
    "CREATE DATABASE `new\none`",
    "CREATE TABLE `new\none`.`a``b` (x INT)",
    "INSERT INTO `new\none`.`a``b` VALUES (1), (2)",
    "DROP TABLE shop.old",
  );
  const session = await source.connect();
  try {
    // A session's own state: default schema, character set, temporary table.
    await session.run(`USE ${id(ODD_SCHEMA)}`);
    await session.run("SET character_set_client = latin1");
    await session.run("CREATE TEMPORARY TABLE tmp (x INT)");
    await session.run("INSERT INTO tmp VALUES (4)");
    await session.run("CREATE TABLE from_tmp (x INT, y VARCHAR(5) DEFAULT 'é')");
    await session.run("INSERT INTO from_tmp (x) SELECT x FROM tmp");
  } finally {
    await session.close();
  }
  await source.restart();
  await source.run("INSERT INTO shop.parts VALUES (9)", "REPLACE INTO holdfast.heartbeat (id, value, written_at) VALUES (1, 'at the stop', NOW())");
}

beforeAll(async () => {
  source = await startMariadb();
  streams = await tempDir();
  await fillSource();
  await checkpoint();
  full = await takeBackup(source, join(streams.path, "full"), null);
  await source.run(`UPDATE ${ODD} SET note = 'changed' WHERE id < 50`, "CREATE TABLE shop.between (a INT)", "INSERT INTO shop.between VALUES (1)");
  await checkpoint();
  first = await takeBackup(source, join(streams.path, "first"), full, async () => {
    await source.run("RENAME TABLE shop.renamed TO shop.`re named`", "DROP TABLE shop.dropped", "CREATE TABLE shop.during (a INT)", "INSERT INTO shop.during VALUES (1)", "TRUNCATE TABLE shop.between");
  });
  await source.run("DELETE FROM shop.orders WHERE id > 800", "INSERT INTO shop.aria VALUES (2)");
  await checkpoint();
  second = await takeBackup(source, join(streams.path, "second"), first);
  await withConnection(source.connection, async (session) => {
    atBackup = await contentOf(session);
  });
  await changesForReplay();
  await withConnection(source.connection, async (session) => {
    [atStop, digestsAtStop, stopPlace] = [await contentOf(session), await objectDigests(session), await logPlace(session)];
    heartbeatAtStop = "at the stop";
  });
  await source.run("DROP TABLE shop.orders", "DELETE FROM shop.parts");
});

afterAll(async () => {
  await source.stop();
  await streams.remove();
});

async function begin(): Promise<void> {
  scratch = await tempDir();
  context = contextIn(scratch, source.connection);
}

async function prepared(): Promise<{ dir: string; findings: string[] }> {
  await begin();
  const chain = await unpackAll(context, [full, first, second]);
  const findings = await prepare(context, chain, NEVER);
  return { dir: chain[0]!.dir, findings };
}

async function sandboxOn(dir: string): Promise<Sandbox> {
  const sandbox = await startSandbox(context, dir, NEVER);
  sandboxes.push(sandbox);
  return sandbox;
}

/** A session in the sandbox, with the login that its own programs use. */
async function inside<T>(sandbox: Sandbox, work: (session: Session) => Promise<T>): Promise<T> {
  const clientDir = (await readdir(scratch.path)).find((name) => /^sb.{6}c$/.test(name) && sandbox.socket.includes(name.slice(0, -1)))!;
  const password = /password="(.*)"/.exec(await readFile(join(scratch.path, clientDir, "client.cnf"), "utf8"))![1]!;
  return withConnection({ socket: sandbox.socket, user: "holdfast_sandbox", password }, work);
}

async function logsTo(place: { file: string; position: number }): Promise<{ files: string[]; start: LogPosition }> {
  const start = second.facts.logPosition!;
  return { files: await copyLogs(source, join(scratch.path, "logs"), start.file, place), start };
}

afterEach(async () => {
  for (const sandbox of sandboxes.splice(0)) await sandbox.stop();
  await scratch.remove();
});

describe("a full and two incrementals", () => {
  it("come back with every row, object and file, and nothing is found wrong", async () => {
    const { dir, findings } = await prepared();
    expect(findings).toEqual([]);
    const sandbox = await sandboxOn(dir);
    expect(await inside(sandbox, contentOf)).toEqual(atBackup);
    expect(await sandbox.checkTables(NEVER)).toEqual([]);
    expect(await sandbox.rowCounts(second.index.server.counts)).toEqual(second.index.server.counts);
    expect((await sandbox.rowCounts("all")).map(({ table }) => table)).toContain(ODD_TABLE);
    expect(await sandbox.objectDigests()).toEqual(expect.arrayContaining(second.index.server.objects));
  });

  it("tell an owner's assertion from what came instead", async () => {
    const sandbox = await sandboxOn((await prepared()).dir);
    expect(await sandbox.assertion({ name: "n", sql: "SELECT COUNT(*) FROM shop.orders", equals: "800" })).toBeNull();
    expect(await sandbox.assertion({ name: "n", sql: "SELECT 4", equals: "5" })).toBe("4");
    expect(await sandbox.assertion({ name: "n", sql: "SELECT 1 FROM shop.orders WHERE id < 0", equals: "1" })).toBe("no row");
    expect(await sandbox.assertion({ name: "n", sql: "DELETE FROM shop.orders", equals: "1" })).toMatch(/READ ONLY/i);
  });

  it("are replayed to an exact place of the log, with DDL, accounts, events, odd names and temporary tables", async () => {
    const { dir } = await prepared();
    const { files, start } = await logsTo(stopPlace);
    const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
    const sandbox = await sandboxOn(dir);
    await sandbox.replay(files, start, stopPlace, NEVER);
    expect(await inside(sandbox, contentOf)).toEqual(atStop);
    expect(await sandbox.objectDigests()).toEqual(expect.arrayContaining(digestsAtStop));
    expect(await sandbox.heartbeat()).toBe(heartbeatAtStop);
    expect(await sandbox.checkTables(NEVER)).toEqual([]);
    expect(await inside(sandbox, (session) => session.rows("SELECT name, status FROM mysql.event"))).toEqual([{ name: "tick", status: "ENABLED" }]);
    expect(await Promise.all(files.map(async (file) => (await stat(file)).size))).toEqual(sizes);
  });

  it("leave neither an account nor a file of Holdfast's in a directory that is kept, and a server can be left running on it", async () => {
    const { dir } = await prepared();
    const { files, start } = await logsTo(stopPlace);
    const sandbox = await startSandbox(context, dir, NEVER);
    await sandbox.replay(files, start, stopPlace, NEVER);
    await sandbox.stop();
    expect((await readdir(scratch.path)).filter((name) => name.startsWith("sb"))).toEqual([]);
    expect((await readdir(dir)).filter((name) => /relay|master|holdfast\./.test(name))).toEqual([]);
    const { socket, pid, user } = await serve(context, dir, NEVER);
    try {
      await withConnection({ socket, user }, async (session) => {
        expect(await session.rows("SELECT User FROM mysql.user WHERE User LIKE 'holdfast%'")).toEqual([]);
        expect(await session.row("SELECT @@innodb_flush_log_at_trx_commit AS f, @@innodb_doublewrite AS d, @@event_scheduler AS e")).toEqual({ f: "1", d: "1", e: "OFF" });
        expect(await contentOf(session)).toEqual(atStop);
      });
    } finally {
      process.kill(pid, "SIGTERM");
      await expect.poll(() => alive(pid)).toBe(false);
    }
  });
});

describe("one table", () => {
  it("is dumped into a private file that loads into an empty server and is equal there", async () => {
    const sandbox = await sandboxOn((await prepared()).dir);
    const sqlPath = join(scratch.path, "one.sql");
    await sandbox.dumpTable({ schema: ODD_SCHEMA, table: ODD_TABLE }, sqlPath, NEVER);
    await sandbox.dumpTable({ schema: "shop", table: "versioned" }, join(scratch.path, "versioned.sql"), NEVER);
    expect((await stat(sqlPath)).mode & 0o777).toBe(0o600);
    const target = await startMariadb({ binlog: false });
    try {
      await loadSql(context, { connection: target.connection, schema: ODD_SCHEMA }, sqlPath, NEVER);
      await loadSql(context, { connection: target.connection, schema: "shop" }, join(scratch.path, "versioned.sql"), NEVER);
      const there = await withConnection(target.connection, contentOf);
      expect(there[ODD]).toBe(atBackup[ODD]);
      expect(there["`shop`.`versioned`"]).toBe(atBackup["`shop`.`versioned`"]);
      expect(Object.keys(there)).toHaveLength(2);
      // A second time it would have to replace the table, and does not.
      await target.run(`DELETE FROM ${ODD} WHERE id > 1`);
      await expect(loadSql(context, { connection: target.connection, schema: ODD_SCHEMA }, sqlPath, NEVER)).rejects.toMatchObject({ code: "TOOL_FAILED" });
      expect((await withConnection(target.connection, (session) => session.row(`SELECT COUNT(*) AS n FROM ${ODD}`)))?.["n"]).toBe("1");
    } finally {
      await target.stop();
    }
  });

  it("that is not there, or whose file already exists, is refused", async () => {
    const sandbox = await sandboxOn((await prepared()).dir);
    const sqlPath = join(scratch.path, "one.sql");
    await expect(sandbox.dumpTable({ schema: "shop", table: "nope" }, sqlPath, NEVER)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await writeFile(sqlPath, "mine");
    await expect(sandbox.dumpTable({ schema: "shop", table: "parts" }, sqlPath, NEVER)).rejects.toMatchObject({ code: "TARGET_NOT_EMPTY" });
    expect(await readFile(sqlPath, "utf8")).toBe("mine");
  });
});

describe("what does not fit", () => {
  it("finds every table file that is missing after a prepare that completed OK", async () => {
    await begin();
    const chain = await unpackAll(context, [full, first, second]);
    await rm(join(chain[0]!.dir, "shop", "orders.ibd"));
    await rm(join(chain[2]!.dir, "shop", "orders.ibd.delta"), { force: true });
    await rm(join(chain[2]!.dir, "shop", "aria.MAD"));
    await rm(join(chain[0]!.dir, "shop", "aria.MAD"));
    await rm(join(chain[1]!.dir, "shop", "orders.ibd.delta"), { force: true });
    await rm(join(chain[1]!.dir, "shop", "aria.MAD"));
    const findings = await prepare(context, chain, NEVER);
    expect(findings.join("\n")).toContain("shop/orders.ibd");
    expect(findings.join("\n")).toContain("shop/aria.MAD");
    expect(findings).toHaveLength(2);
  });

  it("refuses incrementals that are swapped, left out, given twice, or of another full, and touches nothing", async () => {
    await begin();
    const [a, b, c] = (await unpackAll(context, [full, first, second])) as [Unpacked, Unpacked, Unpacked];
    for (const chain of [[a, c, b], [a, c], [a, b, b], [b, c], [a, { ...b, facts: { ...b.facts, dataIdentity: "other" } }], []]) {
      await expect(prepare(context, chain, NEVER)).rejects.toMatchObject({ code: "CHAIN_BROKEN" });
    }
    await expect(startSandbox(context, a.dir, NEVER)).rejects.toMatchObject({ code: "SANDBOX_FAILED" });
    expect(await prepare(context, [a, b, c], NEVER)).toEqual([]);
    await expect(prepare(context, [a, b, c], NEVER)).rejects.toMatchObject({ code: "CHAIN_BROKEN" });
  });

  it("refuses a stream that is cut or altered, and a directory that holds something", async () => {
    await begin();
    const { size } = await stat(full.streamPath);
    await expect(unpack(context, createReadStream(full.streamPath, { end: size >> 1 }), join(scratch.path, "cut"), NEVER)).rejects.toMatchObject({ code: "STREAM_DAMAGED" });
    await expect(unpack(context, createReadStream(full.streamPath), join(scratch.path, "cut"), NEVER)).rejects.toMatchObject({ code: "TARGET_NOT_EMPTY" });
    const altered = await readFile(full.streamPath);
    altered[size >> 1] = altered[size >> 1]! ^ 1;
    const copy = join(scratch.path, "altered.mbs");
    await writeFile(copy, altered);
    await expect(unpack(context, createReadStream(copy), join(scratch.path, "altered"), NEVER)).rejects.toMatchObject({ code: "STREAM_DAMAGED" });
    const early = new Readable({ read: () => undefined });
    early.destroy(new Error("the disk is gone"));
    const late = Readable.from(failingAfter(altered.subarray(0, 1000)));
    for (const [name, failing] of [["early", early], ["late", late]] as const) {
      await expect(unpack(context, failing, join(scratch.path, name), NEVER)).rejects.toMatchObject({ code: "STREAM_DAMAGED", message: expect.stringContaining("the disk is gone") as string });
    }
  });

  it("refuses to replay logs that do not join, end early, stop inside a group, or were altered", async () => {
    const { dir } = await prepared();
    const { files, start } = await logsTo(stopPlace);
    const sandbox = await sandboxOn(dir);
    await expect(sandbox.replay(files.filter((_, index) => index !== 1), start, stopPlace, NEVER)).rejects.toMatchObject({ code: "GAP" });
    await expect(sandbox.replay(files.slice(0, -1), start, stopPlace, NEVER)).rejects.toMatchObject({ code: "GAP" });
    await expect(sandbox.replay(files, start, { ...stopPlace, position: stopPlace.position + 1 }, NEVER)).rejects.toMatchObject({ code: "GAP" });
    const bytes = await readFile(files[0]!);
    const place = bytes.indexOf("late", start.position);
    const handle = await open(files[0]!, "r+");
    await handle.write("LATE", place);
    await handle.close();
    await expect(sandbox.replay(files, start, stopPlace, NEVER)).rejects.toMatchObject({ code: "TOOL_FAILED", message: expect.stringContaining("did not reach") as string });
    await writeFile(files[0]!, bytes);
    await truncate(files.at(-1)!, stopPlace.position - 5);
    await expect(sandbox.replay(files, start, { ...stopPlace, position: stopPlace.position - 5 }, NEVER)).rejects.toMatchObject({ code: "TOOL_FAILED" });
  });
});

async function* failingAfter(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
  await Promise.resolve();
  throw new Error("the disk is gone");
}

describe("bad days", () => {
  it("says that the sandbox server died, with the end of its log", async () => {
    const { dir } = await prepared();
    const sandbox = await startSandbox(context, dir, NEVER);
    process.kill(sandbox.pid, "SIGKILL");
    await expect.poll(() => alive(sandbox.pid)).toBe(false);
    await expect(sandbox.checkTables(NEVER)).rejects.toMatchObject({ code: "SANDBOX_FAILED", message: expect.stringContaining("ready for connections") as string });
    await expect(sandbox.stop()).rejects.toMatchObject({ code: "SANDBOX_FAILED" });
    expect((await readdir(scratch.path)).filter((name) => name.startsWith("sb"))).toEqual([]);
  });

  it("ends the sandbox server when its job is cancelled", async () => {
    const { dir } = await prepared();
    const cancel = new AbortController();
    const sandbox = await startSandbox(context, dir, cancel.signal);
    cancel.abort(new Error("cancelled"));
    await sandbox.stop();
    expect(alive(sandbox.pid)).toBe(false);
    await expect(startSandbox(context, dir, cancel.signal)).rejects.toThrow("cancelled");
  });

  it("leaves no sandbox server behind when its process is killed", async () => {
    const { dir } = await prepared();
    const script = join(scratch.path, "parent.ts");
    await mkdir(join(scratch.path, "p"), { mode: 0o711 });
    const here = import.meta.dirname;
    await writeFile(script, `
      import { startSandbox } from ${JSON.stringify(join(here, "../../src/engines/mysql/sandbox.ts"))};
      import { silentLog } from ${JSON.stringify(join(here, "../../src/lib/log.ts"))};
      const context = { ...${JSON.stringify({ ...context, log: undefined, scratchDir: join(scratch.path, "p") })}, sandboxUser: ${JSON.stringify(context.sandboxUser)}, log: silentLog };
      const sandbox = await startSandbox(context, ${JSON.stringify(dir)}, new AbortController().signal);
      process.stdout.write(String(sandbox.pid) + "\\n");
      setInterval(() => undefined, 1000);
    `);
    const parent = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    const [said] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(said.toString().trim());
    expect(alive(pid)).toBe(true);
    parent.kill("SIGKILL");
    try {
      await expect.poll(() => alive(pid)).toBe(false);
    } finally {
      if (alive(pid)) process.kill(pid, "SIGKILL");
    }
  });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
