import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { groupsOf, stateAtHead } from "../../src/engines/mysql/binlog/groups.ts";
import { withConnection } from "../../src/engines/mysql/connect.ts";
import type { LogGroup } from "../../src/model/log-groups.ts";
import { type Mariadb, startMariadb } from "../fixtures/mariadb.ts";

const COLUMNS = [
  "a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d INT, e BIGINT, f FLOAT, g DOUBLE, h DECIMAL(30,11), h2 DECIMAL(9,0), i BIT(1), j BIT(17)",
  "k DATE, l TIME, m TIME(3), n DATETIME, o DATETIME(6), p TIMESTAMP NULL, q TIMESTAMP(1) NULL, r YEAR",
  "s CHAR(3), t CHAR(200) CHARACTER SET utf8mb4, u VARCHAR(20), v VARCHAR(3000), w BINARY(5), x VARBINARY(400), y TINYTEXT, z TEXT, a1 MEDIUMBLOB, b1 LONGTEXT",
  "c1 ENUM('a','b'), d1 SET('a','b','c'), e1 JSON, f1 GEOMETRY, g1 POINT, h1 TEXT COMPRESSED, i1 VARCHAR(500) COMPRESSED, j1 UUID, k1 INET6, l1 INET4",
  "m1 INT AS (d + 1) VIRTUAL, n1 INT AS (d + 2) STORED",
].join(", ");
const VALUES = `1, 2, 3, 4, 5, 6, 7, 8.5, 9, b'1', b'101', '2020-01-01', '10:00:00', '10:00:00.123', NOW(), NOW(6), NOW(), NOW(1), 2020,
  'a', REPEAT('ä', 150), 'u', REPEAT('v', 2999), 'w', REPEAT('x', 300), 'y', REPEAT('z', 5000), REPEAT('a', 70000), 'b', 'b', 'a,c', '{}', POINT(1,2), POINT(3,4), REPEAT('c', 500), REPEAT('d', 300), UUID(), '::1', '10.0.0.1'`;
const NAMES = "a, b, c, d, e, f, g, h, h2, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a1, b1, c1, d1, e1, f1, g1, h1, i1, j1, k1, l1";

let source: Mariadb;
const groups = new Map<string, LogGroup>();
/** GTID of each statement by its name. */
const gtids = new Map<string, string>();

const STATEMENTS: Readonly<Record<string, string>> = {
  insert: `INSERT INTO shop.wide (${NAMES}) SELECT ${VALUES} FROM shop.seven`,
  nulls: "INSERT INTO shop.wide (a) SELECT 1 FROM shop.seven",
  update: "UPDATE shop.wide SET d = d + 1, z = NULL WHERE id <= 5",
  minimal: "UPDATE shop.wide SET v = 'short' WHERE id <= 6",
  minimalDelete: "DELETE FROM shop.wide WHERE id <= 2",
  compressed: "DELETE FROM shop.wide WHERE id > 3",
  many: "INSERT INTO shop.narrow SELECT 1 FROM shop.seq",
  manyGone: "DELETE FROM shop.narrow",
};
const BEFORE: Readonly<Record<string, string>> = { minimal: "SET SESSION binlog_row_image = MINIMAL", compressed: "SET SESSION binlog_row_image = FULL", many: "SET GLOBAL log_bin_compress = OFF" };

beforeAll(async () => {
  source = await startMariadb({ config: { log_bin_compress: "ON", log_bin_compress_min_len: "10" } });
  await source.run("CREATE DATABASE shop", `CREATE TABLE shop.wide (id INT AUTO_INCREMENT PRIMARY KEY, ${COLUMNS})`, "CREATE TABLE shop.narrow (a INT)", "CREATE TABLE shop.seven (a INT)", "INSERT INTO shop.seven VALUES (1),(2),(3),(4),(5),(6),(7)");
  await source.run("CREATE TABLE shop.seq (a INT)", "INSERT INTO shop.seq WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i FROM n");
  await withConnection(source.connection, async (session) => {
    for (const [name, statement] of Object.entries(STATEMENTS)) {
      if (BEFORE[name] !== undefined) await session.run(BEFORE[name]);
      await session.run(statement);
      gtids.set(name, (await session.row("SELECT @@last_gtid AS g"))?.["g"] ?? "");
    }
  });
  const file = "mariadb-bin.000001";
  for (const group of groupsOf(await readFile(join(source.binlogDir, file)), 0, stateAtHead(file)).groups) groups.set(group.gtid, group);
});

afterAll(async () => {
  await source.stop();
});

const tablesOf = (name: string): LogGroup["tables"] => groups.get(gtids.get(name) ?? "")?.tables ?? [];
const none = { inserted: 0, updated: 0, deleted: 0 };

describe("rows of a table with every type", () => {
  it.each([
    ["insert", { ...none, inserted: 7 }],
    ["nulls", { ...none, inserted: 7 }],
    ["update", { ...none, updated: 5 }],
    ["minimal", { ...none, updated: 6 }],
    ["minimalDelete", { ...none, deleted: 2 }],
    ["compressed", { ...none, deleted: 11 }],
  ])("are counted by their images: %s", (name, rows) => {
    expect(tablesOf(name)).toMatchObject([{ name: "shop.wide", rows }]);
  });

  it("are counted over many events, with the statement that changed them", () => {
    expect(tablesOf("many")).toMatchObject([{ name: "shop.narrow", rows: { ...none, inserted: 900 } }]);
    expect(tablesOf("manyGone")).toMatchObject([{ name: "shop.narrow", rows: { ...none, deleted: 900 }, statement: "DELETE FROM shop.narrow" }]);
  });
});
