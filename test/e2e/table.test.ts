import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createConnection } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareRows, Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop, readShop, startWriter } from "../../src/demo/shop.ts";
import { delay } from "../../src/lib/clock.ts";
import { runTool } from "../../src/lib/process.ts";
import { formatInZone } from "../../src/model/zoned-time.ts";
import { HOLDFAST } from "../fixtures/holdfast-program.ts";
import { type Mariadb, startMariadb } from "../fixtures/mariadb.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

let world: HoldfastWorld;
let empty: Mariadb;
const ledger = new Ledger();

beforeAll(async () => {
  world = await startWorld({ shipEvery: "1s" });
  empty = await startMariadb();
  const connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, ledger, { firstId: 1, count: 1_000 });
  await world.holdfast.backUp("full");
});

afterAll(async () => {
  await empty.stop();
  await world.stop();
});

function holdfast(...args: string[]): Promise<{ stdout: string }> {
  return runTool({ file: HOLDFAST, args: ["--config", world.configPath, ...args] });
}

describe("one table", () => {
  it("comes back as SQL that loads into an empty server and equals the ledger at that time", async () => {
    const connection = await world.connect();
    const writer = startWriter(connection, ledger, { firstId: 1_000_000, pauseMs: 2 });
    await delay(2_000);
    await writer.stop();
    const expected = ledger.entries().at(-1)?.gtid ?? "";
    // Stamps are whole seconds: the damage must not share one with the last good commit.
    await delay(1_100);
    const at = new Date();
    await delay(1_100);
    await connection.query("DELETE FROM shop.orders WHERE id % 2 = 0");
    await connection.query("ALTER TABLE shop.orders DROP COLUMN note");
    await world.holdfast.waitUntilShipped(await world.logPosition());

    const sql = join(world.rootDir, "orders.sql");
    const [day = "", clock = ""] = formatInZone(at.toISOString(), "Europe/Berlin").split(" ");
    await holdfast("restore", "run", "shop", "--table", "shop.orders", "--to", `${day} ${clock}`, "--sql", sql);

    await runTool({ file: "sh", args: ["-c", `exec mariadb --socket='${empty.socket}' --user=root < '${sql}'`] });
    const loaded = await createConnection({ socketPath: empty.socket, user: "root", charset: "utf8mb4" });
    const comparison = compareRows(ledger.stateAt(expected), await readShop(loaded));
    await loaded.end();
    expect(comparison.differences).toEqual([]);
    expect(comparison.comparedRows).toBeGreaterThan(1_000);
    expect(await readFile(sql, "utf8")).not.toContain("holdfast_sandbox");
  });

  it("is loaded straight into another server, and refused where the table exists already", async () => {
    const entry = ledger.entries().at(-1);
    const other = await startMariadb();
    try {
      const into = JSON.stringify(other.connection);
      await holdfast("restore", "run", "shop", "--table", "shop.orders", "--gtid", entry?.gtid ?? "", "--into", into);
      const loaded = await createConnection({ socketPath: other.socket, user: "root", charset: "utf8mb4" });
      expect(compareRows(ledger.stateAt(entry?.gtid ?? ""), await readShop(loaded)).differences).toEqual([]);
      await loaded.end();
      await expect(holdfast("restore", "run", "shop", "--table", "shop.orders", "--gtid", entry?.gtid ?? "", "--into", into)).rejects.toThrow(/already exists/);
    } finally {
      await other.stop();
    }
  });
});
