import { execFile } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLog } from "../lib/log.ts";
import { migrate } from "./migrate.ts";
import { type Catalog, openCatalog } from "./open-catalog.ts";
import { getSetting, putSetting } from "./settings.ts";

const run = promisify(execFile);

describe("the catalog", () => {
  let dir: string;
  let catalog: Catalog;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "hf-cat-"));
    catalog = await openCatalog({ path: join(dir, "catalog.db"), log: silentLog });
  });
  afterEach(async () => {
    await catalog.close();
    await rm(dir, { recursive: true });
  });

  it("writes ahead and syncs fully", async () => {
    const { rows: mode } = await sql<{ journalMode: string }>`pragma journal_mode`.execute(catalog.db);
    const { rows: sync } = await sql<{ synchronous: number }>`pragma synchronous`.execute(catalog.db);
    expect(mode).toEqual([{ journalMode: "wal" }]);
    expect(sync).toEqual([{ synchronous: 2 }]);
  });

  it("tells the first error when SQLite itself has undone the transaction", async () => {
    await sql`create table alone (a text primary key)`.execute(catalog.db);
    const twice = catalog.db.transaction().execute(async (db) => {
      await sql`insert into alone values ('x')`.execute(db);
      await sql`insert or rollback into alone values ('x')`.execute(db);
    });
    await expect(twice).rejects.toMatchObject({ code: "CONFLICT" });
    expect((await sql`select a from alone`.execute(catalog.db)).rows).toEqual([]);
  });

  it("is readable for its owner only", async () => {
    expect((await stat(join(dir, "catalog.db"))).mode & 0o777).toBe(0o600);
  });

  it("keeps what was written when it is opened again", async () => {
    await putSetting(catalog.db, "highWaterMs", "17");
    await putSetting(catalog.db, "highWaterMs", "18");
    await catalog.close();
    catalog = await openCatalog({ path: join(dir, "catalog.db"), log: silentLog });
    expect(await getSetting(catalog.db, "highWaterMs")).toBe("18");
  });

  it("gives integers beyond 2^53 as bigint and smaller ones as number", async () => {
    const { rows } = await sql`select 9007199254740993 as big, 42 as small`.execute(catalog.db);
    expect(rows).toEqual([{ big: 9007199254740993n, small: 42 }]);
    const beyond = 2 ** 53;
    await expect(sql`select ${beyond} as n`.execute(catalog.db)).rejects.toThrow("beyond 2^53");
  });

  it("runs transactions one after the other and undoes the one that throws", async () => {
    const bump = (by: number, fail: boolean): Promise<void> =>
      catalog.db.transaction().execute(async (db) => {
        const value = Number((await getSetting(db, "highWaterMs")) ?? "0");
        await new Promise((resolve) => setTimeout(resolve, 5));
        await putSetting(db, "highWaterMs", String(value + by));
        if (fail) throw new Error("undo");
      });
    await Promise.allSettled([bump(1, false), bump(10, true), bump(100, false), bump(1000, true)]);
    expect(await getSetting(catalog.db, "highWaterMs")).toBe("101");
  });

  it("refuses a second opening in the same process", async () => {
    await expect(openCatalog({ path: join(dir, "catalog.db"), log: silentLog })).rejects.toMatchObject({ code: "ALREADY_RUNNING" });
    expect(await getSetting(catalog.db, "frozen")).toBeNull();
  });

  it("refuses a second process, and lets the next one in after a kill -9", async () => {
    await catalog.close();
    const program = `
      const { openCatalog } = await import(${JSON.stringify(join(import.meta.dirname, "open-catalog.ts"))});
      const { silentLog } = await import(${JSON.stringify(join(import.meta.dirname, "../lib/log.ts"))});
      try { await openCatalog({ path: ${JSON.stringify(join(dir, "catalog.db"))}, log: silentLog }); console.log("opened"); }
      catch (error) { console.log(error.code); }
      if (process.argv.includes("die")) process.kill(process.pid, "SIGKILL");
      process.exit(0);`;
    const child = (word: string): Promise<string> =>
      run(process.execPath, ["--input-type=module", "-e", program, word]).then(
        ({ stdout }) => stdout.trim(),
        (error: unknown) => (error as { stdout: string }).stdout.trim(),
      );
    expect(await child("die")).toBe("opened");
    catalog = await openCatalog({ path: join(dir, "catalog.db"), log: silentLog });
    expect(await child("stay")).toBe("ALREADY_RUNNING");
  });

  it("refuses a catalog that a newer program has changed", async () => {
    await sql`insert into catalog_version (number, name) values (9999, 'later')`.execute(catalog.db);
    await catalog.close();
    await expect(openCatalog({ path: join(dir, "catalog.db"), log: silentLog })).rejects.toMatchObject({ code: "REFUSED" });
  });

  it("leaves nothing of a migration that fails half-way", async () => {
    const broken = {
      number: 9998,
      name: "broken",
      up: async (db: Parameters<typeof migrate>[0]): Promise<void> => {
        await sql`create table halfway (a text)`.execute(db);
        throw new Error("no");
      },
    };
    await expect(migrate(catalog.db as never, [broken])).rejects.toThrow("no");
    const { rows } = await sql`select name from sqlite_master where name = 'halfway'`.execute(catalog.db);
    expect(rows).toEqual([]);
  });
});
