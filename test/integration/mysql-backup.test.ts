import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { chmod, cp, open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EngineContext, Unpacked } from "../../src/engines/engine.ts";
import { startBackup } from "../../src/engines/mysql/backup.ts";
import { mysqlEngine } from "../../src/engines/mysql/index.ts";
import { readDataIdentity } from "../../src/engines/mysql/identity.ts";
import { readServerFacts } from "../../src/engines/mysql/server-facts.ts";
import type { IndexedFile } from "../../src/model/backup-index.ts";
import { asParent, type BackupAsked, backupRun, FULL, NEVER, type TakenBackup } from "../fixtures/backup-run.ts";
import { processesBelow } from "../fixtures/invariants.ts";
import { type Mariadb, startMariadb } from "../fixtures/mariadb.ts";

const run = backupRun();
let server: Mariadb;
let full: TakenBackup;

const ODD = "o`dd \"na'me\n☃ %_\\";
const q = (name: string): string => `\`${name.replaceAll("`", "``")}\``;

const SCHEMA = [
  "CREATE DATABASE shop",
  "CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, note TEXT)",
  "INSERT INTO shop.orders (note) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT REPEAT('x', 400) FROM n",
  "CREATE TABLE shop.old (a INT) ENGINE=MyISAM",
  `CREATE DATABASE ${q(ODD)}`,
  `CREATE TABLE ${q(ODD)}.${q(ODD)} (${q(ODD)} INT PRIMARY KEY, c TEXT COMMENT ' AUTO_INCREMENT=7 ') COMMENT='it''s'`,
  `INSERT INTO ${q(ODD)}.${q(ODD)} VALUES (1, 'a'), (2, 'b')`,
  `CREATE VIEW ${q(ODD)}.${q("v " + ODD)} AS SELECT * FROM ${q(ODD)}.${q(ODD)}`,
  `CREATE TRIGGER ${q(ODD)}.${q("t " + ODD)} BEFORE INSERT ON ${q(ODD)}.${q(ODD)} FOR EACH ROW SET NEW.c = 'x'`,
  `CREATE EVENT ${q(ODD)}.${q("e " + ODD)} ON SCHEDULE EVERY 1 DAY COMMENT 'ENABLE' DO SET @a = 1`,
  `CREATE PROCEDURE ${q(ODD)}.${q("p " + ODD)}() SELECT 1`,
  "CREATE FUNCTION shop.twice(a INT) RETURNS INT DETERMINISTIC RETURN 2 * a",
  "CREATE SEQUENCE shop.numbers START WITH 5 INCREMENT BY 3",
  "CREATE ROLE reader",
  "GRANT SELECT ON shop.* TO reader",
  "CREATE USER 'o''dd \"u`ser'@'10.0.0.%' IDENTIFIED BY 'x'",
  "GRANT reader TO 'o''dd \"u`ser'@'10.0.0.%'",
  `GRANT INSERT ON ${q(ODD)}.* TO 'o''dd "u\`ser'@'10.0.0.%'`,
];

beforeAll(async () => {
  server = await startMariadb();
  await server.run(...SCHEMA);
  // A clean stop makes a checkpoint; tables made since the last one come as `.new` instead of `.ibd`.
  await server.restart();
  full = await run.take(server.connection);
});

afterAll(async () => {
  await server.stop();
  await run.remove();
});

/** Hash of each file of a directory, by path. */
async function hashesOf(dir: string): Promise<Map<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(await Promise.all(files.map(async (file): Promise<[string, string]> => [file.slice(dir.length + 1), createHash("sha256").update(await readFile(file)).digest("hex")])));
}

/** The same from the index alone: its extents cut out of the stream. */
async function hashesFromIndex(streamPath: string, files: readonly IndexedFile[]): Promise<Map<string, string>> {
  const bytes = await readFile(streamPath);
  return new Map(
    files.map((file) => {
      const hash = createHash("sha256");
      for (const extent of file.extents) hash.update(bytes.subarray(extent.streamOffset, extent.streamOffset + extent.lengthBytes));
      return [file.path, hash.digest("hex")];
    }),
  );
}

async function unpacked(taken: TakenBackup, kind: Unpacked["kind"], context: EngineContext): Promise<Unpacked> {
  const dir = await run.dir();
  await mysqlEngine.unpack(context, createReadStream(taken.streamPath), dir, NEVER);
  return { dir, kind, facts: taken.facts, index: { formatVersion: 1, packs: [], files: taken.files, server: taken.server } };
}

const incremental = (parent: BackupAsked["parent"]): BackupAsked => ({ ...FULL, backupKind: "incremental", parent });

async function refusal(asked: BackupAsked): Promise<unknown> {
  return startBackup(await run.context(server.connection), asked, NEVER).then(
    () => "nothing was refused",
    (error: unknown) => error,
  );
}

describe("a full backup", () => {
  it("gives a stream that mbstream unpacks to the very files its index describes", async () => {
    const dir = await run.dir();
    expect(spawnSync("sh", ["-c", `mbstream -x -C ${dir} < ${full.streamPath}`]).status).toBe(0);
    expect(await hashesFromIndex(full.streamPath, full.files)).toEqual(await hashesOf(dir));
    expect(full.files.find((file) => file.path === "shop/orders.ibd")?.spaceId).toBeGreaterThan(0);
    expect(full.source.phase()).toBe("finished");
  });

  it("counts exactly what its snapshot shows, and says which tables it does not count", () => {
    expect(full.server.counts).toEqual([
      { schema: ODD, table: ODD, rows: 2 },
      { schema: "shop", table: "orders", rows: 900 },
    ]);
    expect(full.server.omissions.join("\n")).toContain("MyISAM");
  });

  it("records the place of its counts behind its own place in the log, with GTIDs", () => {
    const { logPosition, recordedPosition } = full.facts;
    expect(recordedPosition?.file).toBe(logPosition?.file);
    expect(recordedPosition?.position).toBeGreaterThan(logPosition?.position ?? Infinity);
    expect(recordedPosition?.gtid).toMatch(/^0-4711-\d+$/);
    expect(full.server.heartbeat).toMatch(/^[0-9A-Z]{26}$/);
  });

  it("describes every object but the server's own, and how to make the accounts again", () => {
    const names = full.server.objects.map((object) => `${object.kind} ${object.name}`);
    expect(names).toEqual(
      expect.arrayContaining([`table ${ODD}.${ODD}`, `view ${ODD}.v ${ODD}`, `trigger ${ODD}.t ${ODD}`, `event ${ODD}.e ${ODD}`, `routine procedure ${ODD}.p ${ODD}`, "routine function shop.twice", "sequence shop.numbers", "user reader", "user o'dd \"u`ser@10.0.0.%"]),
    );
    expect(names.filter((name) => /holdfast|mysql\.|sys\.|root@localhost|mariadb\.sys/.test(name))).toEqual([]);
    expect(full.server.grants).toEqual(expect.arrayContaining(["CREATE ROLE `reader`;", "GRANT SELECT ON `shop`.* TO `reader`;"]));
  });
});

describe("a backup during a storm of DDL", () => {
  it("is whole, and prepares without a finding", async () => {
    let stopped = false;
    let rounds = 0;
    const storm = (async () => {
      const session = await server.connect();
      for (; !stopped; rounds += 1) {
        const [a, b] = [`shop.a${String(rounds)}`, `shop.b${String(rounds)}`];
        for (const sql of [`CREATE TABLE ${a} (a INT PRIMARY KEY)`, `INSERT INTO ${a} VALUES (1)`, `RENAME TABLE ${a} TO ${b}`, `ALTER TABLE ${b} FORCE`, `TRUNCATE ${b}`]) await session.run(sql);
        if (rounds % 3 > 0) await session.run(`DROP TABLE ${b}`);
      }
      await session.close();
    })();
    const taken = await run.take(server.connection).finally(() => {
      stopped = true;
    });
    await storm;
    expect(rounds).toBeGreaterThan(3);
    expect(taken.server.omissions.filter((omission) => omission.includes("definition of"))).toEqual([]);
    const context = await run.context(server.connection);
    expect(await mysqlEngine.prepare(context, [await unpacked(taken, "full", context)], NEVER)).toEqual([]);
  });
});

describe("an incremental backup", () => {
  it("joins its parent, and the chain restores to the same objects and rows as were recorded", async () => {
    await server.run("INSERT INTO shop.orders (note) VALUES ('after the full')", "ALTER TABLE shop.orders AUTO_INCREMENT = 5000", "CREATE TABLE shop.fresh (a INT PRIMARY KEY)");
    const taken = await run.take(server.connection, incremental(asParent(full.facts)));
    expect(taken.facts.fromLsn).toBe(full.facts.toLsn);
    expect(taken.files.find((file) => file.path === "shop/orders.ibd.meta")?.spaceId).toBe(full.files.find((file) => file.path === "shop/orders.ibd")!.spaceId);

    const context = await run.context(server.connection);
    await chmod(context.scratchDir, 0o711);
    const chain = [await unpacked(full, "full", context), await unpacked(taken, "incremental", context)];
    for (const link of chain) await chmod(link.dir, 0o711);
    expect(await mysqlEngine.prepare(context, chain, NEVER)).toEqual([]);
    const sandbox = await mysqlEngine.startSandbox(context, chain[0]!.dir, NEVER);
    try {
      expect(await sandbox.objectDigests()).toEqual(expect.arrayContaining(taken.server.objects));
      expect(await sandbox.rowCounts("all")).toEqual(expect.arrayContaining(taken.server.counts));
    } finally {
      await sandbox.stop();
    }
  });

  it("is refused before anything runs when the data is not its parent's", async () => {
    const copy = await run.dir();
    await cp(join(server.dataDir, "ibdata1"), join(copy, "ibdata1"));
    const session = await server.connect();
    const facts = await readServerFacts(session, {});
    const copied = await readDataIdentity(session, { ...facts, dataDirectory: copy });
    await session.close();
    expect(copied).not.toBe(full.facts.dataIdentity);
    expect(await refusal(incremental({ ...asParent(full.facts), dataIdentity: copied }))).toMatchObject({ code: "LINEAGE_CHANGED" });
  });

  it("is refused when the server has not reached the parent's end, is of another series, or no parent is named", async () => {
    expect(await refusal(incremental({ ...asParent(full.facts), toLsn: "99999999999999999" }))).toMatchObject({ code: "LINEAGE_CHANGED" });
    expect(await refusal(incremental({ ...asParent(full.facts), serverVersion: "10.6.20-MariaDB" }))).toMatchObject({ code: "CHAIN_BROKEN" });
    expect(await refusal(incremental(null))).toMatchObject({ code: "CHAIN_BROKEN" });
  });
});

describe("a backup that goes wrong", () => {
  /** The tool's process id: the child of ours that works on this scratch directory. */
  function toolPid(context: EngineContext): number {
    // Not by `pgrep` and `kill`, which a bare machine lacks.
    const found = processesBelow(context.scratchDir).find((line) => /mariadb-backup.*--target-dir=/.test(line));
    return Number.parseInt(found ?? "", 10);
  }

  async function gone(pid: number): Promise<boolean> {
    for (let tries = 0; tries < 2_400; tries += 1) {
      if (!existsSync(`/proc/${String(pid)}`)) return true;
      await sleep(50);
    }
    return false;
  }

  /** Takes what a stopped tool had written before, so that whoever gives the stream up finds it waiting for the tool. */
  async function untilNothingComes(stream: Readable): Promise<void> {
    let comes = true;
    stream.on("data", () => {
      comes = true;
    });
    while (comes) {
      comes = false;
      await sleep(500);
    }
  }

  it("fails its stream when the tool is killed in the middle", async () => {
    const context = await run.context(server.connection);
    const source = await startBackup(context, FULL, NEVER);
    const reading = (async () => {
      for await (const _ of source.stream) {
        const pid = toolPid(context);
        if (Number.isInteger(pid)) process.kill(pid, "SIGKILL");
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: "TOOL_FAILED" });
    await expect(source.facts()).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("ends the tool when its stream is given up", async () => {
    const context = await run.context(server.connection);
    const source = await startBackup(context, FULL, NEVER);
    await new Promise((resolve) => source.stream.once("readable", resolve));
    const pid = toolPid(context);
    expect(pid).toBeGreaterThan(0);
    // A tool that hangs does not notice a closed pipe, and does not listen to SIGTERM.
    process.kill(pid, "SIGSTOP");
    await untilNothingComes(source.stream);
    source.stream.destroy();
    expect(await gone(pid)).toBe(true);
  });

  it("ends with the signal's reason", async () => {
    const abort = new AbortController();
    const source = await startBackup(await run.context(server.connection), FULL, abort.signal);
    const reading = (async () => {
      for await (const _ of source.stream) abort.abort(new Error("cancelled by hand"));
    })();
    await expect(reading).rejects.toThrow("cancelled by hand");
  });

  it("fails when a page of a table is damaged on disk", async () => {
    await server.run("CREATE TABLE shop.hurt (a INT PRIMARY KEY)", "INSERT INTO shop.hurt VALUES (1)");
    await server.restart();
    const file = await open(join(server.dataDir, "shop", "hurt.ibd"), "r+");
    await file.write(Buffer.alloc(64, 0xee), 0, 64, 3 * 16_384 + 200);
    await file.close();
    await expect(run.take(server.connection)).rejects.toMatchObject({ code: "TOOL_FAILED", message: expect.stringContaining("hurt.ibd") as string });
  });
});
