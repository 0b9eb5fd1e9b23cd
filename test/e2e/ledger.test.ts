import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Ledger, type LedgerEntry, sequenceOf } from "../../src/demo/ledger.ts";
import { createShop, fillShop, startWriter, type Writer } from "../../src/demo/shop.ts";
import { delay } from "../../src/lib/clock.ts";
import { runTool } from "../../src/lib/process.ts";
import type { RestoreGoal, RestorePlan } from "../../src/model/restore.ts";
import { expectLedgerIn } from "../fixtures/protected-shop.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

/** Enough to be random and few enough to be waited for. */
const INSTANTS = 10;

let world: HoldfastWorld;
const ledger = new Ledger();
let firstReachable = 0;
let firstReachableMs = 0;

/** A client that dies with its server must not fail the run. */
async function openWriter(firstId: number): Promise<Writer> {
  return startWriter(await world.connect(), ledger, { firstId, pauseMs: 3 });
}

beforeAll(async () => {
  world = await startWorld({ shipEvery: "1s" });
  const connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, ledger, { firstId: 1, count: 2_000 });
  const writers = [await openWriter(1_000_000), await openWriter(2_000_000)];
  const full = await world.holdfast.backUp("full");
  firstReachable = sequenceOf(full.facts.logPosition?.gtid ?? "0-0-0");
  firstReachableMs = Date.parse(full.endedAt);
  await delay(1_500);
  await connection.query("FLUSH BINARY LOGS");
  await world.holdfast.backUp("incremental");
  await delay(1_500);
  await world.holdfast.backUp("incremental");
  await delay(1_500);
  for (const writer of writers) await writer.stop();
  await connection.query("FLUSH BINARY LOGS");
  await world.holdfast.waitUntilShipped(await world.logPosition());
});

afterAll(async () => {
  await world.stop();
});

/** Restores to the goal and compares every row with what the clients had been told was committed by then. */
async function expectLedger(goal: RestoreGoal, gtid: string): Promise<void> {
  const result = await world.holdfast.restore(goal, join(world.rootDir, `r${String(Math.random()).slice(2, 8)}`));
  await expectLedgerIn({ world, ledger }, result.targetPath, { gtid, atLeast: 2_001 });
}

function randomEntries(count: number): LedgerEntry[] {
  const entries = ledger.entries().filter((entry) => entry.sequence > firstReachable && entry.committedAtMs > firstReachableMs);
  expect(entries.length).toBeGreaterThan(count * 10);
  return Array.from({ length: count }, () => entries[Math.floor(Math.random() * entries.length)] as LedgerEntry);
}

/** The last GTID before the first one stamped later than `atS`, as mariadb-binlog prints the server's own files. */
async function scanBinlogs(atS: number): Promise<string> {
  const files = await world.binlogFiles();
  const { stdout } = await runTool({ file: "mariadb-binlog", args: ["--base64-output=decode-rows", "--skip-annotate-row-events", ...files] });
  let previous = "";
  for (const line of stdout.split("\n")) {
    const match = /^#(\d{2})(\d{2})(\d{2})\s+(\d{1,2}):(\d{2}):(\d{2}) server id .*\sGTID (\d+-\d+-\d+)/.exec(line);
    if (match === null) continue;
    const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [number, number, number, number, number, number];
    if (Date.UTC(2000 + year, month - 1, day, hour, minute, second) / 1_000 > atS) return previous;
    previous = match[7] ?? "";
  }
  return previous;
}

describe("a server under two live writers, with a full, two incrementals and the shipped log", () => {
  it("equals the ledger's prefix at ten random GTIDs", async () => {
    for (const entry of randomEntries(INSTANTS)) await expectLedger({ kind: "gtid", gtid: entry.gtid }, entry.gtid);
  });

  it("equals, at ten random times, the prefix at the GTID the plan printed, and an independent scan finds the same GTID", async () => {
    for (const entry of randomEntries(INSTANTS)) {
      const at = new Date(entry.committedAtMs).toISOString();
      const plan: RestorePlan = await world.holdfast.plan({ kind: "time", at });
      const gtid = plan.stop?.lastGroup?.gtid ?? "";
      expect(gtid).toBe(await scanBinlogs(Math.floor(entry.committedAtMs / 1_000)));
      await expectLedger({ kind: "time", at }, gtid);
    }
  });
});
