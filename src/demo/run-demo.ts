import { join } from "node:path";
import { delay } from "../lib/clock.ts";
import { formatBytes, formatDuration } from "../lib/units.ts";
import type { Backup } from "../model/backup.ts";
import type { RestorePlan } from "../model/restore.ts";
import { type Holdfast, compareRestored } from "./holdfast.ts";
import { Ledger, type LedgerEntry } from "./ledger.ts";
import { createShop, fillShop, startWriter, type Writer } from "./shop.ts";
import { type Story } from "./story.ts";
import type { SourceServer } from "./source-server.ts";

export interface DemoWorld {
  readonly rootDir: string;
  readonly source: SourceServer;
  readonly holdfast: Holdfast;
  readonly story: Story;
  readonly sizeMb: number;
  readonly keep: boolean;
  readonly signal: AbortSignal;
}

/** A payload of this size makes a row of about 1 kB; 1,000 of them are a MB. */
const ROWS_PER_MB = 950;
const LIVE_FIRST_ID = 10_000_000;
const SECOND_LIFE_FIRST_ID = 20_000_000;

/**
 * The main job, told and done: full → writes → incremental → writes → DROP TABLE → restore to just before it → the
 * server is lost → restore of everything elsewhere → T4. Throws when any comparison with the ledger differs.
 */
export async function runDemo(world: DemoWorld): Promise<void> {
  const { story } = world;
  const ledger = new Ledger();
  const writer = await openShop(world, ledger);
  const full = await backUp(world, "full");
  await delay(2_000, world.signal);
  await backUp(world, "incremental");
  await delay(2_000, world.signal);

  const droppedAt = await dropOrders(world, writer);
  await showReachable(world);
  await restoreBeforeDrop(world, ledger, droppedAt);

  const secondLife = new Ledger();
  const lostAtMs = await loseServer(world, secondLife);
  await restoreElsewhere(world, secondLife, lostAtMs);
  await verifyNewest(world, full);
  story.timeline();
}

async function openShop(world: DemoWorld, ledger: Ledger): Promise<Writer> {
  const { source, story, sizeMb } = world;
  story.chapter("A shop with a live writer");
  const connection = await source.connect();
  await createShop(connection);
  await fillShop(connection, ledger, { firstId: 1, count: sizeMb * ROWS_PER_MB });
  story.tell(`MariaDB ${source.version} holds ${String(sizeMb * ROWS_PER_MB)} orders (${String(sizeMb)} MB); a client goes on writing and notes every commit in a ledger of its own`);
  return startWriter(connection, ledger, { firstId: LIVE_FIRST_ID, pauseMs: 2 });
}

async function backUp(world: DemoWorld, kind: "full" | "incremental"): Promise<Backup> {
  const { holdfast, story } = world;
  story.chapter(`${kind === "full" ? "A full" : "An incremental"} backup while the shop is open`);
  story.command(`holdfast backup run shop --kind ${kind}`);
  const backup = await story.timed(`${kind} backup`, () => holdfast.backUp(kind));
  story.tell(`committed as ${backup.backupId}: ${formatBytes(backup.streamBytes)} read, ${formatBytes(backup.storedBytes)} stored in ${String(backup.packCount)} packs, compressed, encrypted to two recipients`);
  return backup;
}

/** Somebody drops the table a moment after the last order; gives an instant between the two. */
async function dropOrders(world: DemoWorld, writer: Writer): Promise<Date> {
  const { source, story, signal } = world;
  story.chapter("Somebody drops the table");
  await writer.stop();
  // Binlog stamps are whole seconds: only an instant with a second to itself can be told from its neighbours by a clock.
  await delay(1_200, signal);
  const before = new Date();
  await delay(1_200, signal);
  const connection = await source.connect();
  await connection.query("DROP TABLE shop.orders");
  await connection.end();
  story.tell(`DROP TABLE shop.orders, after ${String(writer.commits())} live commits`);
  story.mark("table dropped");
  return before;
}

async function showReachable(world: DemoWorld): Promise<void> {
  const { holdfast, source, story } = world;
  await holdfast.waitUntilShipped(await source.logPosition());
  story.command("holdfast log coverage shop");
  const { intervals, gaps } = await holdfast.coverage();
  for (const interval of intervals) story.tell(`reachable: ${interval.fromTime ?? "?"} to ${interval.toTime ?? "?"} (${interval.from.file}:${String(interval.from.position)} to ${interval.to.file}:${String(interval.to.position)})`);
  story.tell(gaps.length === 0 ? "no gap in the log" : `${String(gaps.length)} gaps in the log`);
}

async function compareAsOf({ story, ...world }: DemoWorld, ledger: Ledger, gtid: string, dataDir: string): Promise<void> {
  story.compared(`orders as of GTID ${gtid}`, await compareRestored(world, dataDir, ledger.stateAt(gtid)));
}

async function restoreBeforeDrop(world: DemoWorld, ledger: Ledger, at: Date): Promise<void> {
  const { holdfast, story, rootDir, signal } = world;
  const target = join(rootDir, "before-drop");
  story.chapter("The table comes back, as it was just before");
  story.command(`holdfast restore run shop --to ${at.toISOString()} --target-dir ${target}`);
  const plan = await holdfast.plan({ kind: "time", at: at.toISOString() });
  tellPlan(story, plan);
  const result = await story.timed("restore before the drop", () => holdfast.restore({ kind: "time", at: at.toISOString() }, target));
  await compareAsOf(world, ledger, plan.stop?.lastGroup?.gtid ?? "0-0-0", result.targetPath);
  signal.throwIfAborted();
}

function tellPlan(story: Story, plan: RestorePlan): void {
  const { stop } = plan;
  story.tell(`plan: ${String(plan.chain.length)} backups and ${String(plan.segments.length)} log pieces, ${formatBytes(plan.bytesToFetch)} to fetch`);
  if (stop?.lastGroup) story.tell(`stops after GTID ${stop.lastGroup.gtid} of ${new Date(stop.lastGroup.stampS * 1_000).toISOString()}`);
  if (stop?.nextGroup) story.tell(`next would have been GTID ${stop.nextGroup.gtid}: ${stop.nextGroup.statement ?? stop.nextGroup.tables.map((table) => table.name).join(", ")}`);
}

/** New orders come in, then the machine is gone: server killed, data and logs deleted. Gives the instant of the loss. */
async function loseServer(world: DemoWorld, ledger: Ledger): Promise<number> {
  const { source, story, signal } = world;
  story.chapter("The whole server is lost");
  const connection = await source.connect();
  await createShop(connection);
  const writer = startWriter(connection, ledger, { firstId: SECOND_LIFE_FIRST_ID, pauseMs: 2 });
  await delay(4_000, signal);
  const lostAtMs = Date.now();
  await source.destroy();
  await writer.stop().catch(() => undefined);
  story.tell(`kill -9, data directory and binary logs deleted, ${String(writer.commits())} commits after the table was made anew`);
  story.mark("server lost");
  return lostAtMs;
}

async function restoreElsewhere(world: DemoWorld, ledger: Ledger, lostAtMs: number): Promise<void> {
  const { holdfast, story, rootDir } = world;
  const target = join(rootDir, "elsewhere");
  story.chapter("It comes back elsewhere, as of the last second that was shipped");
  story.command(`holdfast restore run shop --latest --target-dir ${target}`);
  const plan = await holdfast.plan({ kind: "latest" });
  const result = await story.timed("restore of everything", () => holdfast.restore({ kind: "latest" }, target));
  const gtid = plan.stop?.lastGroup?.gtid ?? "0-0-0";
  await compareAsOf(world, ledger, gtid, result.targetPath);
  tellRpo(story, ledger.entries(), gtid, lostAtMs);
  story.measure("RTO", `${formatDuration(result.totalMs)} from the command to a whole data directory`);
}

function tellRpo(story: Story, entries: readonly LedgerEntry[], gtid: string, lostAtMs: number): void {
  const last = Number(gtid.split("-").at(-1));
  const kept = entries.filter((entry) => entry.sequence <= last);
  const lost = entries.length - kept.length;
  const newestKept = kept.at(-1)?.committedAtMs ?? lostAtMs;
  story.measure("RPO", `${formatDuration(Math.max(lostAtMs - newestKept, 0))}: ${String(lost)} of ${String(entries.length)} commits had not been shipped when the machine died`);
}

async function verifyNewest(world: DemoWorld, full: Backup): Promise<void> {
  const { holdfast, story } = world;
  story.chapter("The proof");
  const newest = (await holdfast.newestBackup()) ?? full;
  story.command(`holdfast backup verify ${newest.backupId} --tier T4`);
  const report = await story.timed("verification T4", () => holdfast.verify(newest.backupId));
  for (const check of report.checks) story.tell(`${check.tier} ${check.name}: ${check.status} (${check.detail})`);
  if (report.status !== "passed") throw new Error(`the verification ${report.verificationId} failed`);
  story.measure("signed report", `${holdfast.reportPath(report.verificationId)}${world.keep ? "" : " (stays with --keep)"}`);
}
