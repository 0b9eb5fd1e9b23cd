import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withConnection } from "../../src/engines/mysql/connect.ts";
import { serverFiles, tableFiles } from "../../src/engines/mysql/table/table-files.ts";
import type { BackupRef } from "../../src/model/backup.ts";
import { JobWorld } from "../fixtures/job-world.ts";
import { until } from "../fixtures/log-collector.ts";
import { type Mariadb, startMariadb } from "../fixtures/mariadb.ts";
import { logPlace } from "../fixtures/mysql-chain.ts";
import { dumpOf, storedShare } from "../fixtures/table-dump.ts";

const TABLES = 20;
const NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)";

let source: Mariadb;
let world: JobWorld;
let full: BackupRef;
let incremental: BackupRef;
let stop: { file: string; position: number };

beforeAll(async () => {
  source = await startMariadb();
  world = await JobWorld.on(source);
  await fill();
  await source.run("FLUSH BINARY LOGS");
  full = await world.backUp(null);
  await source.run("UPDATE shop.t07 SET n = n + 1 WHERE id < 30000", "UPDATE shop.t08 SET n = 0", "RENAME TABLE shop.before_name TO shop.after_name", "INSERT INTO shop.after_name VALUES (2)");
  await source.run("SET GLOBAL innodb_log_checkpoint_now = ON").catch(() => source.restart());
  incremental = await world.backUp(full);
  await changeAfterBackup();
  stop = await withConnection(source.connection, logPlace);
});

afterAll(async () => {
  await source.stop();
  await world.remove();
});

async function fill(): Promise<void> {
  await source.run("CREATE DATABASE shop", "CREATE DATABASE `odd ä-☃`");
  for (let number = 1; number <= TABLES; number += 1) {
    const name = `shop.t${String(number).padStart(2, "0")}`;
    await source.run(`CREATE TABLE ${name} (id INT AUTO_INCREMENT PRIMARY KEY, n INT, noise VARBINARY(2000))`, `INSERT INTO ${name} (n, noise) ${NUMBERS} SELECT i, RANDOM_BYTES(1000) FROM n`);
    for (let doubled = 0; doubled < (number === 7 ? 6 : 3); doubled += 1) await source.run(`INSERT INTO ${name} (n, noise) SELECT n, RANDOM_BYTES(1000) FROM ${name}`);
  }
  await source.run(
    "CREATE TABLE shop.customers (id INT PRIMARY KEY, name VARCHAR(30))",
    "CREATE TABLE shop.contracts (id INT PRIMARY KEY, customer INT, FOREIGN KEY (customer) REFERENCES shop.customers(id) ON DELETE CASCADE)",
    "CREATE TABLE shop.lines (id INT PRIMARY KEY, contract INT, FOREIGN KEY (contract) REFERENCES shop.contracts(id) ON DELETE CASCADE)",
    "INSERT INTO shop.customers VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    "INSERT INTO shop.contracts VALUES (1, 1), (2, 2), (3, 3)",
    "INSERT INTO shop.lines VALUES (1, 1), (2, 2), (3, 3)",
    "CREATE TABLE shop.parts (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION `p ä` VALUES LESS THAN (100), PARTITION rest VALUES LESS THAN MAXVALUE)",
    `INSERT INTO shop.parts ${NUMBERS} SELECT i, i FROM n`,
    "CREATE TABLE shop.before_name (a INT)",
    "INSERT INTO shop.before_name VALUES (1)",
    "CREATE TABLE shop.articles (id INT PRIMARY KEY, body TEXT, FULLTEXT (body))",
    "INSERT INTO shop.articles VALUES (1, 'the quick brown fox')",
    "CREATE TABLE `odd ä-☃`.`a b'ö` (a INT) ENGINE=Aria",
    "INSERT INTO `odd ä-☃`.`a b'ö` VALUES (1), (2)",
    "CREATE TABLE shop.plain (a INT)",
    "CREATE TRIGGER shop.plus BEFORE INSERT ON shop.plain FOR EACH ROW SET NEW.a = NEW.a + 1",
    "CREATE TABLE shop.stated (a INT)",
    "CREATE TABLE shop.moved (a INT)",
    "INSERT INTO shop.moved VALUES (1)",
    "CREATE VIEW shop.seen AS SELECT * FROM shop.plain",
  );
}

async function changeAfterBackup(): Promise<void> {
  await source.run(
    "UPDATE shop.t07 SET n = -1 WHERE id % 100 = 0",
    "DELETE FROM shop.t09 WHERE id < 100",
    "DELETE FROM shop.customers WHERE id = 2",
    "DELETE FROM shop.contracts WHERE id = 3",
    "UPDATE shop.parts SET v = 7 WHERE id > 50",
    "ALTER TABLE shop.parts TRUNCATE PARTITION `p ä`",
    "INSERT INTO shop.after_name VALUES (3)",
    "INSERT INTO shop.articles VALUES (2, 'jumps over the lazy dog')",
    "ALTER TABLE `odd ä-☃`.`a b'ö` ADD COLUMN b INT DEFAULT 5",
    "INSERT INTO `odd ä-☃`.`a b'ö` VALUES (3, 3)",
    "INSERT INTO shop.plain VALUES (1)",
    "CREATE USER 'late'@'localhost'",
    "RENAME TABLE shop.moved TO shop.away",
    "INSERT INTO shop.away VALUES (2)",
    "ALTER TABLE shop.away RENAME TO shop.further",
    "FLUSH BINARY LOGS",
    "INSERT INTO shop.further VALUES (3)",
    "RENAME TABLE shop.further TO shop.moved",
    "CREATE TABLE shop.born (a INT)",
    "INSERT INTO shop.born VALUES (1)",
  );
}

/** Restores the table and compares it with the source, which has not moved on; gives the job's note. */
async function expectEqual(schema: string, table: string): Promise<string> {
  const { sql, result } = await world.restoreTable([full, incremental], { schema, table }, stop);
  expect(withoutCounter(sql)).toBe(withoutCounter(await dumpOf(source, { schema, table })));
  return result.notes.join("\n");
}

/** The source keeps numbers that it had handed out. */
const withoutCounter = (sql: string): string => sql.replace(/ AUTO_INCREMENT=\d+/g, "");
const ALONE = /^Only what this table needs was read/;

describe("one of twenty tables, out of a full, an incremental and the log", () => {
  it("is equal to the source at that place, for no more bytes than 1.2 times its own and those of the system files", async () => {
    const note = await expectEqual("shop", "t07");
    expect(note).toMatch(ALONE);
    const indexes = await Promise.all([full, incremental].map((ref) => world.indexOf(ref)));
    const files = indexes.map((index) => index.files);
    const selection = [serverFiles(files), tableFiles(files, [{ dir: "shop", base: "t07" }])];
    const needed = selection.flat(2).reduce((sum, { file }) => sum + file.sizeBytes, 0);
    const neededStored = selection.reduce((sum, each) => sum + storedShare(indexes, each), 0);
    const stored = [full, incremental].flatMap((ref) => ref.packs).reduce((sum, pack) => sum + pack.sizeBytes, 0);
    // Against the files as they are on disk, and against their share of the compressed frames, which is the harder measure.
    expect(world.readBytes.packs).toBeLessThan(1.2 * needed);
    expect(world.readBytes.packs).toBeLessThan(1.2 * neededStored);
    expect(world.readBytes.packs).toBeLessThan(0.6 * stored);
  });

  it("comes back by way of foreign keys: the parents' cascades are replayed, too", async () => {
    expect(await expectEqual("shop", "lines")).toMatch(ALONE);
    expect(await expectEqual("shop", "contracts")).toMatch(ALONE);
  });

  it("comes back whatever it was called: before the incremental, and in the log in between", async () => {
    expect(await expectEqual("shop", "after_name")).toMatch(ALONE);
    expect(await expectEqual("shop", "moved")).toMatch(ALONE);
  });

  it.each([
    ["partitions", "shop", "parts"],
    ["a full-text index", "shop", "articles"],
    ["odd letters and another engine", "odd ä-☃", "a b'ö"],
    ["a trigger", "shop", "plain"],
    ["nothing before the log", "shop", "born"],
  ])("comes back with %s", async (_what, schema, table) => {
    expect(await expectEqual(schema, table)).toMatch(ALONE);
  });

  it("comes back as of the backup itself, without any log", async () => {
    const { sql, result } = await world.restoreTable([full, incremental], { schema: "shop", table: "plain" }, null);
    expect(result.notes.join()).toMatch(ALONE);
    expect(sql).toContain("CREATE TABLE `plain`");
    expect(sql).toContain("TRIGGER");
  });
});

describe("tables that were changed by definitions while the backup ran", () => {
  it("come back under their new names, with the content that belongs to them", async () => {
    await source.run("CREATE TABLE shop.left_one (a INT)", "CREATE TABLE shop.right_one (a INT)", "CREATE TABLE shop.cut (a INT)", "CREATE TABLE shop.rebuilt (a INT)");
    await source.run("INSERT INTO shop.left_one VALUES (1)", "INSERT INTO shop.right_one VALUES (2), (3)", "INSERT INTO shop.cut VALUES (4)", "INSERT INTO shop.rebuilt VALUES (5)");
    await source.run("SET GLOBAL innodb_log_checkpoint_now = ON").catch(() => source.restart());
    const storedBefore = world.objects.size;
    const definitions = async (): Promise<void> => {
      await until("the backup's first pack is stored", () => world.objects.size > storedBefore);
      await source.run("RENAME TABLE shop.left_one TO shop.swap, shop.right_one TO shop.left_one, shop.swap TO shop.right_one", "TRUNCATE TABLE shop.cut", "INSERT INTO shop.cut VALUES (9)");
      await source.run("ALTER TABLE shop.rebuilt ADD COLUMN b INT DEFAULT 6, ALGORITHM=COPY", "CREATE TABLE shop.made (a INT)", "INSERT INTO shop.made VALUES (7)");
    };
    const [during] = await Promise.all([world.backUp(null), definitions()]);
    const markers = (await world.indexOf(during)).files.map(({ path }) => path).filter((path) => /\.(?:ren|new)$/.test(path));
    expect(markers).toEqual(expect.arrayContaining(["shop/left_one.ren", "shop/right_one.ren", "shop/made.new"]));
    await source.run("INSERT INTO shop.left_one VALUES (10)");
    const after = await world.backUp(during);
    await source.run("INSERT INTO shop.made VALUES (8)", "UPDATE shop.rebuilt SET b = 7");
    const place = await withConnection(source.connection, logPlace);
    for (const table of ["left_one", "right_one", "cut", "rebuilt", "made"]) {
      for (const chain of table === "left_one" ? [[during], [during, after]] : [[during, after]]) {
        const { sql, result } = await world.restoreTable(chain, { schema: "shop", table }, place);
        expect(withoutCounter(sql)).toBe(withoutCounter(await dumpOf(source, { schema: "shop", table })));
        expect(result.notes.join()).toMatch(ALONE);
      }
    }
    stop = place;
  });
});

describe("what cannot be proven without the rest", () => {
  it("is restored whole, and the result says why", async () => {
    const note = await expectEqual("shop", "seen");
    expect(note).toMatch(/^The whole server was restored for this table, because .*shop.seen is a view/);
  });

  it("is restored whole when rows were changed by statements that the log holds as text", async () => {
    const session = await source.connect();
    try {
      await session.run("SET SESSION binlog_format = STATEMENT");
      await session.run("INSERT INTO shop.stated VALUES (5)");
    } finally {
      await session.close();
    }
    stop = await withConnection(source.connection, logPlace);
    const note = await expectEqual("shop", "stated");
    expect(note).toMatch(/^The whole server was restored for this table, because .*INSERT INTO shop.stated/);
  });

  it("and a table that nobody knows is refused at once", async () => {
    await expect(world.restoreTable([full, incremental], { schema: "shop", table: "nope" }, null)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
