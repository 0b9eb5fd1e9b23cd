import { join } from "node:path";
import { type Connection, createConnection, escape, escapeId, type RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRestoredShop, waitForJob } from "../../src/demo/holdfast.ts";
import { api } from "../../src/model/api/index.ts";
import { expectNothingLeft, expectOnlyWholeBackups } from "../fixtures/invariants.ts";
import { type Mariadb, startMariadb } from "../fixtures/mariadb.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

const NAMES = [
  "with space", " leading", "quo'te\"s", "back`tick", "line\nbreak", "tab\there", "snow☃man", "dot.ted", "dot.ted.ibd", "100% %s %2e", "-dash", "--", "semi;colon",
  "back\\slash", "slash/../ed", "#hash", "CamelCase", "日本語", "@0040", "x".repeat(64),
] as const; // prettier-ignore
const SYSTEM = "('mysql', 'information_schema', 'performance_schema', 'sys', 'holdfast')";

let world: HoldfastWorld;
let other: Mariadb;
let connection: Connection;

beforeAll(async () => {
  [world, other] = await Promise.all([startWorld({ shipEvery: "300ms", policy: "rowCounts: all" }), startMariadb()]);
  connection = await world.connect();
});

afterAll(async () => {
  await world.stop();
  await other.stop();
});

/** Every schema holds a table, trigger, view, function, procedure and event, each of another odd name. */
function namesIn(place: number): Record<"schema" | "table" | "trigger" | "view" | "routine" | "event" | "column", string> {
  const name = (step: number): string => NAMES[(place + step) % NAMES.length] as string;
  return { schema: name(0), table: name(3), trigger: name(5), view: name(7), routine: name(9), event: name(11), column: name(13) };
}

const id = (name: string): string => escapeId(name, true);

async function createSchema(place: number): Promise<void> {
  const { schema, table, trigger, view, routine, event, column } = namesIn(place);
  await connection.query(`CREATE DATABASE ${id(schema)} CHARACTER SET utf8mb4`);
  await connection.query(`USE ${id(schema)}`);
  await connection.query(`CREATE TABLE ${id(table)} (id INT PRIMARY KEY AUTO_INCREMENT, ${id(column)} VARCHAR(200), at TIMESTAMP(6) DEFAULT NOW(6), KEY ${id(column)} (${id(column)}))`);
  await connection.query(`CREATE TRIGGER ${id(trigger)} BEFORE INSERT ON ${id(table)} FOR EACH ROW SET NEW.${id(column)} = CONCAT(NEW.${id(column)}, ' triggered')`);
  await connection.query(`CREATE VIEW ${id(view)} AS SELECT ${id(column)} AS ${id(view)} FROM ${id(table)}`);
  await connection.query(`CREATE FUNCTION ${id(routine)} () RETURNS INT DETERMINISTIC RETURN (SELECT COUNT(*) FROM ${id(table)})`);
  await connection.query(`CREATE PROCEDURE ${id(routine)} () INSERT INTO ${id(table)} (${id(column)}) VALUES ('by procedure')`);
  await connection.query(`CREATE EVENT ${id(event)} ON SCHEDULE EVERY 1 YEAR DO DELETE FROM ${id(table)} WHERE id < 0`);
  await connection.query(`CREATE USER ${escape(schema)}@localhost IDENTIFIED BY ${escape(table)}`);
  await connection.query(`GRANT SELECT (${id(column)}), INSERT ON ${id(schema)}.${id(table)} TO ${escape(schema)}@localhost`);
}

async function insertInto(place: number, note: string): Promise<void> {
  const { schema, table, column } = namesIn(place);
  await connection.query(`INSERT INTO ${id(schema)}.${id(table)} (${id(column)}) VALUES (?), (?)`, [`${note} ${schema}`, "☃"]);
}

async function ask(on: Connection, sql: string): Promise<Record<string, unknown>[]> {
  return (await on.query<RowDataPacket[]>(sql))[0].map((row) => ({ ...row }));
}

/** Definitions, accounts with their rights, and every row of a server. */
async function everythingOf(on: Connection): Promise<Record<string, unknown>> {
  const of = (column: string): string => `${column} NOT IN ${SYSTEM} ORDER BY 1, 2, 3`;
  const tables = await ask(on, `SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, TABLE_TYPE AS k FROM information_schema.TABLES WHERE ${of("TABLE_SCHEMA")}`);
  const rows: Record<string, unknown> = {};
  for (const { s, t } of tables) rows[JSON.stringify([s, t])] = await ask(on, `SELECT * FROM ${id(String(s))}.${id(String(t))} ORDER BY 1`);
  const accounts = await ask(on, "SELECT User AS u, Host AS h FROM mysql.user WHERE User NOT IN ('root', 'mariadb.sys', '') ORDER BY 1, 2");
  const grants: Record<string, unknown> = {};
  for (const { u, h } of accounts) grants[String(u)] = await ask(on, `SHOW GRANTS FOR ${escape(String(u))}@${escape(String(h))}`);
  return {
    tables,
    rows,
    grants,
    triggers: await ask(on, `SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE ${of("TRIGGER_SCHEMA")}`),
    views: await ask(on, `SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE ${of("TABLE_SCHEMA")}`),
    routines: await ask(on, `SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ${of("ROUTINE_SCHEMA")}`),
    events: await ask(on, `SELECT EVENT_SCHEMA, EVENT_NAME, EVENT_DEFINITION FROM information_schema.EVENTS WHERE ${of("EVENT_SCHEMA")}`),
  };
}

describe("schemas, tables, triggers, views, routines, events and accounts of every odd name", () => {
  it("come back from a full, an incremental and the log, after a T4 verification without a difference", async () => {
    const half = NAMES.length / 2;
    for (let place = 0; place < half; place += 1) {
      await createSchema(place);
      await insertInto(place, "in the full");
    }
    await world.holdfast.backUp("full");
    for (let place = 0; place < NAMES.length - 2; place += 1) {
      if (place >= half) await createSchema(place);
      await insertInto(place, "in the incremental");
    }
    const tip = await world.holdfast.backUp("incremental");
    for (let place = 0; place < NAMES.length; place += 1) {
      if (place >= NAMES.length - 2) await createSchema(place);
      await insertInto(place, "in the log");
    }
    await world.holdfast.waitUntilShipped(await world.logPosition());

    const report = await world.holdfast.verify(tip.backupId);
    expect(report.checks.filter(({ status }) => status !== "passed").map(({ name, status }) => `${name} ${status}`)).toEqual(["row counts skipped"]);
    const { targetPath } = await world.holdfast.restore({ kind: "latest" }, join(world.rootDir, "restored"));
    const restored = await startRestoredShop(world, targetPath);
    const found = await everythingOf(restored.connection);
    await restored.stop();
    const expected = await everythingOf(connection);
    expect(found).toEqual(expected);
    expect((expected["tables"] as unknown[]).length).toBe(NAMES.length * 2);
    expect(Object.keys(expected["grants"] as object).length).toBe(NAMES.length);
  });

  it.each([3, 6, 19])("one such table (schema %i) comes back into another server with its trigger", async (place) => {
    const { schema, table, column } = namesIn(place);
    const target = { kind: "table" as const, schema, table, into: { socket: other.socket, user: "root" } };
    const { job } = await world.client.call(api.restores.run, { instance: "shop", goal: { kind: "latest" }, allowGap: false, target });
    await waitForJob(world.client, job, world.signal);
    const there = await createConnection({ socketPath: other.socket, user: "root", charset: "utf8mb4" });
    const query = `SELECT * FROM ${id(schema)}.${id(table)} ORDER BY id`;
    expect(await ask(there, query)).toEqual(await ask(connection, query));
    await there.query(`INSERT INTO ${id(schema)}.${id(table)} (${id(column)}) VALUES ('new')`);
    expect((await ask(there, `${query} DESC LIMIT 1`))[0]?.[column]).toBe("new triggered");
    await there.end();
  });

  it("and nothing half-done is left", async () => {
    await expectOnlyWholeBackups(world, world.client);
    await world.stopUp();
    expectNothingLeft(world);
  });
});
