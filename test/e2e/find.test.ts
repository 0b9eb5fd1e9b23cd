import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Connection, RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitForJob } from "../../src/demo/holdfast.ts";
import { api } from "../../src/model/api/index.ts";
import type { FoundChange } from "../../src/model/find-changes.ts";
import type { RestoreGoal } from "../../src/model/restore.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

/** Transactions around the two that are looked for. */
const OTHERS = 1_000;
const ROWS = 600;

let world: HoldfastWorld;
let connection: Connection;
let dropped: { gtid: string; thread: number };
let emptied: { gtid: string };
let rowsBefore: { orders: number; items: number };

async function one(sql: string): Promise<string> {
  const [rows] = await connection.query<RowDataPacket[]>(sql);
  return String(Object.values(rows[0] ?? {})[0]);
}

/** Small transactions of every kind, also on the tables in question. */
async function others(from: number, count: number): Promise<void> {
  for (let number = from; number < from + count; number += 1) {
    const kind = number % 10;
    if (kind === 0) await connection.query(`CREATE TABLE shop.made_${String(number)} (a INT)`);
    else if (kind === 1) await connection.query(`DROP TABLE shop.made_${String(number - 1)}`);
    else if (kind === 2) await connection.query("DELETE FROM shop.items ORDER BY id LIMIT 1");
    else if (kind === 3) await connection.query("DELETE FROM shop.noise");
    else if (kind === 4) await connection.query(`UPDATE shop.items SET n = n + 1 WHERE id % 50 = ${String(number % 50)}`);
    else if (kind === 5 && number > 600) await connection.query("INSERT INTO shop.items (n) VALUES (1), (2), (3)");
    else await connection.query("INSERT INTO shop.noise VALUES (1), (2), (3)");
  }
}

beforeAll(async () => {
  world = await startWorld({ shipEvery: "1s" });
  connection = await world.connect();
  await connection.query("CREATE DATABASE shop");
  await connection.query("CREATE TABLE shop.orders (id INT PRIMARY KEY)");
  await connection.query("CREATE TABLE shop.items (id INT AUTO_INCREMENT PRIMARY KEY, n INT)");
  await connection.query("CREATE TABLE shop.noise (a INT)");
  const numbers = Array.from({ length: ROWS }, (_, index) => `(${String(index + 1)})`).join(", ");
  await connection.query(`INSERT INTO shop.orders VALUES ${numbers}`);
  await connection.query(`INSERT INTO shop.items (n) VALUES ${numbers}`);
  await world.holdfast.backUp("full");
  await others(0, OTHERS / 2);
  await connection.query("INSERT INTO shop.orders VALUES (100000)");
  rowsBefore = { orders: Number(await one("SELECT COUNT(*) FROM shop.orders")), items: 0 };
  await connection.query("FLUSH BINARY LOGS");
  await connection.query("DROP TABLE shop.noise, shop.orders");
  dropped = { gtid: await one("SELECT @@last_gtid"), thread: Number(await one("SELECT CONNECTION_ID()")) };
  await connection.query("CREATE TABLE shop.noise (a INT)");
  await others(OTHERS / 2, OTHERS / 4);
  rowsBefore.items = Number(await one("SELECT COUNT(*) FROM shop.items"));
  await connection.beginTransaction();
  await connection.query("INSERT INTO shop.noise VALUES (7)");
  await connection.query("DELETE FROM shop.items WHERE id > 100");
  await connection.query("UPDATE shop.items SET n = 0 WHERE id = 95");
  await connection.commit();
  emptied = { gtid: await one("SELECT @@last_gtid") };
  await others((OTHERS / 4) * 3, OTHERS / 4);
  await world.holdfast.waitUntilShipped(await world.logPosition());
});

afterAll(async () => {
  await world.stop();
});

async function find(question: { table: string; drop?: boolean; truncate?: boolean; deleteOver?: number; from?: string; to?: string }): Promise<FoundChange[]> {
  const { drop = false, truncate = false, ...rest } = question;
  const { changes, notes, searchedGroups } = await world.client.call(api.finds.find, { instance: "shop", schema: "shop", limit: 1_000, drop, truncate, ...rest }, world.signal);
  expect(notes).toEqual([]);
  if (question.to === undefined) expect(searchedGroups).toBeGreaterThan(OTHERS);
  return changes;
}

async function tableAt(table: string, goal: RestoreGoal): Promise<{ rows: number; notes: string[] }> {
  const sqlPath = join(world.rootDir, `${table}-${goal.kind}.sql`);
  const { job } = await world.client.call(api.restores.run, { instance: "shop", goal, allowGap: false, target: { kind: "table", schema: "shop", table, sqlPath } }, world.signal);
  const { result } = await waitForJob(world.client, job, world.signal);
  const sql = await readFile(sqlPath, "utf8");
  return { rows: [...sql.matchAll(/^INSERT INTO .* VALUES\s*([^;]*);$/gm)].reduce((sum, [, values = ""]) => sum + values.split("),").length, 0), notes: (result as { notes: string[] }).notes };
}

describe("among a thousand others", () => {
  it("the transaction that dropped a table is named, with thread and statement, and both its restore points give the table back", async () => {
    const [change, ...more] = await find({ table: "orders", drop: true, truncate: true });
    expect(more).toEqual([]);
    expect(change).toMatchObject({ gtid: dropped.gtid, action: "drop", threadId: dropped.thread, rows: null });
    expect(change?.statement).toMatch(/^DROP TABLE.*`orders`/);
    const { file = "", position = 0, previousGtid = null } = change ?? {};
    for (const goal of [{ kind: "position", file, position }, { kind: "gtid", gtid: previousGtid ?? "" }] as const) {
      const restored = await tableAt("orders", goal);
      expect(restored.rows).toBe(rowsBefore.orders);
      expect(restored.notes.join()).toMatch(/^Only what this table needs was read/);
    }
  });

  it("the transaction that deleted most rows is named, with its counts and its own statement, and can be undone", async () => {
    const [change, ...more] = await find({ table: "items", deleteOver: 50 });
    expect(more).toEqual([]);
    expect(change).toMatchObject({ gtid: emptied.gtid, action: "delete", rows: { updated: 1, inserted: 0 }, statement: "DELETE FROM shop.items WHERE id > ?" });
    expect(change?.rows?.deleted).toBeGreaterThan(400);
    const restored = await tableAt("items", { kind: "gtid", gtid: change?.previousGtid ?? "" });
    expect(restored.rows).toBe(rowsBefore.items);
  });

  it("small deletes come with a small threshold, nothing comes outside the time asked for, and other tables are left out", async () => {
    const small = await find({ table: "items", deleteOver: 0 });
    expect(small.length).toBeGreaterThan(50);
    expect(small.filter(({ rows }) => (rows?.deleted ?? 0) > 50).map(({ gtid }) => gtid)).toEqual([emptied.gtid]);
    expect(await find({ table: "orders", drop: true, to: "2020-01-01T00:00:00.000Z" })).toEqual([]);
    expect((await find({ table: "orders" })).map(({ action }) => action)).toEqual(expect.arrayContaining(["drop"]));
    expect(await find({ table: "items", drop: true, truncate: true })).toEqual([]);
  });
});
