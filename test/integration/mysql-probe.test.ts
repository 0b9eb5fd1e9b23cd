import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBackup } from "../../src/engines/mysql/backup.ts";
import type { MysqlConnection } from "../../src/engines/mysql/options.ts";
import { probe } from "../../src/engines/mysql/probe.ts";
import type { ProbeReport } from "../../src/model/instance.ts";
import { asParent, backupRun, FULL, NEVER } from "../fixtures/backup-run.ts";
import { freePort } from "../../src/demo/free-port.ts";
import { type Mariadb, startMariadb } from "../fixtures/mariadb.ts";

const run = backupRun();
let server: Mariadb;

const PASSWORD = ` o'dd "pass\\w#ord;☃ `;

beforeAll(async () => {
  server = await startMariadb({
    config: { sync_binlog: "0", innodb_flush_log_at_trx_commit: "2", binlog_format: "MIXED", binlog_checksum: "NONE", binlog_expire_logs_seconds: "3600" },
  });
  await server.run(
    "CREATE DATABASE shop",
    "CREATE TABLE shop.t (a INT PRIMARY KEY)",
    "INSERT INTO shop.t VALUES (1), (2)",
    "CREATE TABLE shop.loose (a INT) ENGINE=Aria",
    "CREATE PROCEDURE shop.p() SELECT 1",
    `CREATE USER bk@'127.0.0.1' IDENTIFIED BY '${PASSWORD.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`,
  );
});

afterAll(async () => {
  await server.stop();
  await run.remove();
});

const asBackup = (): MysqlConnection => server.connectionOf("bk", PASSWORD);

async function probed(connection: MysqlConnection, heartbeat = true): Promise<ProbeReport> {
  return probe(await run.context(connection), { heartbeat }, NEVER);
}

const codes = (report: ProbeReport): string[] => report.notes.map((note) => note.code);

describe("a probe", () => {
  it("tells version, place, tables and settings of the log", async () => {
    const report = await probed(server.connection);
    expect(report).toMatchObject({ engine: "mysql", flavour: "mariadb", toolVersion: "10.11.19", dataDirectory: server.dataDir, logging: { enabled: true, format: "MIXED" } });
    expect(report.sizeBytes).toBeGreaterThan(10_000_000);
    expect(report.dataIdentity).toMatch(/^data=\d+-\d+$/);
    expect(report.schemas.map((schema) => [schema.name, schema.tables.map((table) => `${table.name} ${table.engine ?? "?"}`)])).toEqual([["shop", ["loose Aria", "t InnoDB"]]]);
  });

  it("names every setting that weakens a promise", async () => {
    expect(codes(await probed(server.connection)).sort()).toEqual(["binlog-checksum", "binlog-expiry", "binlog-format", "innodb-flush", "not-transactional", "sync-binlog"]);
  });

  it("says why there is no server or no login", async () => {
    await expect(probed({ host: "127.0.0.1", port: await freePort(), user: "bk", password: "x" })).rejects.toMatchObject({ code: "DATABASE_UNREACHABLE" });
    await expect(probed({ socket: `${server.rootDir}/none`, user: "root" })).rejects.toMatchObject({ code: "DATABASE_UNREACHABLE" });
    await expect(probed(server.connectionOf("bk", "wrong"))).rejects.toMatchObject({ code: "DATABASE_LOGIN" });
  });

  it("says that a data directory cannot be read from here", async () => {
    const report = await probed({ ...server.connection, dataDirectory: "/nonexistent/data" });
    expect(report.notes.find((note) => note.code === "data-directory")?.level).toBe("error");
  });
});

describe("an account without rights", () => {
  it("is shown the exact GRANTs, and with no more than them everything works", async () => {
    const before = await probed(asBackup());
    const notes = before.notes.filter((note) => note.remedy.startsWith("GRANT"));
    expect(notes.map((note) => [note.code, note.level])).toEqual([
      ["backup-privileges", "error"],
      ["log-privileges", "warning"],
      ["read-privileges", "warning"],
      ["heartbeat-privileges", "warning"],
    ]);
    const refused = await startBackup(await run.context(asBackup()), FULL, NEVER).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "PRIVILEGE_MISSING", hint: "Run on the server: GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.* TO 'bk'@'127.0.0.1';" });

    await server.run(...notes.map((note) => note.remedy.replace(/;$/, "")));
    const after = await probed(asBackup());
    expect(after.notes.filter((note) => note.remedy.startsWith("GRANT") || note.code === "no-marker")).toEqual([]);
    const taken = await run.take(asBackup());
    const asRoot = await run.take(server.connection);
    expect(taken.server.heartbeat).not.toBeNull();
    expect(taken.server.counts).toEqual([{ schema: "shop", table: "t", rows: 2 }]);
    expect(taken.facts.recordedPosition?.gtid).toMatch(/^0-4711-\d+$/);
    expect(taken.server.objects).toEqual(asRoot.server.objects);
    expect(taken.server.grants).toEqual(asRoot.server.grants);
  });

  it("can back up with the least rights, and the index says what is not in it", async () => {
    await server.run("CREATE USER least@'127.0.0.1' IDENTIFIED BY 'x'", "GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.* TO least@'127.0.0.1'");
    const full = await run.take(server.connectionOf("least", "x"));
    expect(full.server.counts).toEqual([]);
    expect(full.server.heartbeat).toBeNull();
    expect(full.server.omissions.join("\n")).toMatch(/No marker row was written[\s\S]*lacks SELECT, SHOW VIEW, TRIGGER, EVENT[\s\S]*Accounts and grants could not be read/);
    const next = await run.take(server.connectionOf("least", "x"), { ...FULL, backupKind: "incremental", parent: asParent(full.facts) });
    expect(next.facts.fromLsn).toBe(full.facts.toLsn);
  });
});

describe("a server whose log leaves schemas out", () => {
  it("is not counted where a replay could not bring the rows back", async () => {
    const filtered = await startMariadb({ config: { binlog_ignore_db: "scratch" } });
    try {
      for (const schema of ["scratch", "kept"]) await filtered.run(`CREATE DATABASE ${schema}`, `CREATE TABLE ${schema}.t (a INT PRIMARY KEY)`);
      expect(codes(await probed(filtered.connection))).toEqual(["binlog-filter"]);
      const taken = await run.take(filtered.connection);
      expect(taken.server.counts).toEqual([{ schema: "kept", table: "t", rows: 0 }]);
      expect(taken.server.omissions.join("\n")).toContain("leaves their schemas out");
      expect(taken.server.heartbeat).not.toBeNull();
    } finally {
      await filtered.stop();
    }
  });
});

describe("a server that may not be written to", () => {
  it("gets no marker, and the probe says so", async () => {
    await server.run("SET GLOBAL read_only = 1");
    try {
      const report = await probed(server.connection);
      expect(report.notes.find((note) => note.code === "no-marker")?.message).toContain("read-only");
      const taken = await run.take(server.connection);
      expect(taken.server.heartbeat).toBeNull();
      expect(taken.server.omissions.join("\n")).toContain("read-only");
    } finally {
      await server.run("SET GLOBAL read_only = 0");
    }
  });

  it("is a replica too, running or not", async () => {
    await server.run("CHANGE MASTER TO master_host='127.0.0.1', master_port=1, master_user='x'");
    try {
      expect((await probed(server.connection)).notes.find((note) => note.code === "no-marker")?.message).toContain("replica");
    } finally {
      await server.run("RESET SLAVE ALL");
    }
  });
});
