import { chmod, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext, Sandbox } from "../../src/engines/engine.ts";
import { withConnection } from "../../src/engines/mysql/connect.ts";
import { prepare } from "../../src/engines/mysql/prepare.ts";
import { serve, startSandbox } from "../../src/engines/mysql/sandbox.ts";
import { sandboxAccount } from "../../src/engines/mysql/server-process.ts";
import { type Mariadb, startMariadb } from "../fixtures/mariadb.ts";
import { contentOf, contextIn, copyLogs, logPlace, takeBackup, type TakenBackup, unpackAll } from "../fixtures/mysql-chain.ts";
import { type TempDir, tempDir } from "../fixtures/temp.ts";

const NEVER = new AbortController().signal;

let source: Mariadb;
/** A directory of the source's machine outside its data. */
let elsewhere: TempDir;
let scratch: TempDir;
let full: TakenBackup;
let incremental: TakenBackup;
let context: EngineContext;

beforeAll(async () => {
  source = await startMariadb({ config: { log_bin_compress: "ON", log_bin_compress_min_len: "10", lower_case_table_names: "1" } });
  elsewhere = await tempDir(sandboxAccount());
  await chmod(elsewhere.path, 0o755);
  scratch = await tempDir();
  await source.run(
    "CREATE DATABASE d",
    `CREATE TABLE d.outside (a INT PRIMARY KEY) DATA DIRECTORY='${elsewhere.path}'`,
    "INSERT INTO d.outside VALUES (1), (2)",
    "CREATE TABLE d.loaded (a INT, b TEXT)",
    "CREATE TABLE d.old_name (a INT)",
    "CREATE TABLE d.dropped (a INT)",
    "CREATE TABLE d.cut (a INT)",
    "CREATE TABLE d.big (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200))",
    "INSERT INTO d.big (v) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT REPEAT('x', 150) FROM n",
  );
  for (let doubled = 0; doubled < 6; doubled += 1) await source.run("INSERT INTO d.big (v) SELECT v FROM d.big");
  full = await takeBackup(source, join(scratch.path, "full.mbs"), null);
  incremental = await takeBackup(source, join(scratch.path, "inc.mbs"), full, async () => {
    await source.run("RENAME TABLE d.old_name TO d.new_name", "DROP TABLE d.dropped", "CREATE TABLE d.born (a INT)", "INSERT INTO d.born VALUES (1)", "TRUNCATE d.cut", "ALTER TABLE d.loaded FORCE");
  });
  context = contextIn(scratch, source.connection);
});

afterAll(async () => {
  await source.stop();
  await elsewhere.remove();
  await scratch.remove();
});

/** What a server does that a replay of plain SQL gets wrong. */
async function hardChanges(): Promise<{ middle: { file: string; position: number }; stop: { file: string; position: number }; content: Record<string, string> }> {
  await writeFile(join(elsewhere.path, "load.txt"), "1\tone\n2\ttwo\n");
  await chmod(join(elsewhere.path, "load.txt"), 0o644);
  return withConnection(source.connection, async (session) => {
    const all = async (...statements: string[]): Promise<void> => {
      for (const statement of statements) await session.run(statement);
    };
    await all("SET SESSION binlog_format = STATEMENT", `LOAD DATA INFILE '${elsewhere.path}/load.txt' INTO TABLE d.loaded`, "SET @text = 'x;\ny'", "INSERT INTO d.loaded VALUES (RAND() * 100, @text)");
    const middle = await logPlace(session);
    await all("SET SESSION binlog_format = ROW", "CREATE TABLE D.MixedCase (a INT)", "INSERT INTO d.MIXEDCASE VALUES (1)");
    await all("XA START 'x'", "INSERT INTO d.born VALUES (5)", "XA END 'x'", "XA PREPARE 'x'", "XA COMMIT 'x'");
    await all(`CREATE TABLE d.outside_too (a INT) DATA DIRECTORY='${elsewhere.path}'`, "INSERT INTO d.outside_too VALUES (1)", "UPDATE d.big SET v = CONCAT(v, 'y') WHERE id % 7 = 0");
    const found = { middle, stop: await logPlace(session), content: await contentOf(session) };
    await all("DROP TABLE d.big");
    return found;
  });
}

describe("a chain taken during DDL, with its log", () => {
  it("is replayed in two runs: statement format, LOAD DATA, compressed events, XA, letter case, and nothing outside its directory", async () => {
    const { middle, stop, content } = await hardChanges();
    const chain = await unpackAll(context, [full, incremental]);
    const dir = chain[0]!.dir;
    const outsideBefore = await readdir(elsewhere.path, { recursive: true });
    expect(await prepare(context, chain, NEVER)).toEqual([]);
    const sandbox: Sandbox = await startSandbox(context, dir, NEVER);
    try {
      const start = incremental.facts.logPosition!;
      await sandbox.replay(await copyLogs(source, join(scratch.path, "one"), start.file, middle), start, middle, NEVER);
      await sandbox.replay(await copyLogs(source, join(scratch.path, "two"), middle.file, stop), { ...middle, gtid: "" }, stop, NEVER);
      await sandbox.replay([join(scratch.path, "two", stop.file)], { ...stop, gtid: "" }, stop, NEVER);
      expect(await sandbox.checkTables(NEVER)).toEqual([]);
    } finally {
      await sandbox.stop();
    }
    // With the source stopped, a server that looked into its places would get hold of the files.
    await source.stop();
    expect((await readdir(join(dir, "d"))).filter((name) => name.startsWith("outside")).sort()).toEqual(["outside.frm", "outside.ibd", "outside_too.frm", "outside_too.ibd"]);
    expect(await readdir(elsewhere.path, { recursive: true })).toEqual(outsideBefore);
    const { socket, pid, user } = await serve(context, dir, NEVER);
    try {
      expect(await withConnection({ socket, user }, contentOf)).toEqual(content);
      expect(await withConnection({ socket, user }, (session) => session.row("SELECT @@lower_case_table_names AS l"))).toEqual({ l: "1" });
    } finally {
      process.kill(pid, "SIGKILL");
    }
  });

  it("met that DDL: its index holds a tablespace that was made meanwhile", () => {
    const markers = incremental.index.files.map((file) => file.path).filter((path) => /^d\/.*\.(?:ren|del|new)$/.test(path));
    expect(markers).toEqual(expect.arrayContaining(["d/born.new"]));
  });
});
