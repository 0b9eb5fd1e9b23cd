import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { sandboxAccount } from "../../engines/mysql/server-process.ts";
import { delay } from "../../lib/clock.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { formatBytes, formatDuration } from "../../lib/units.ts";
import { api } from "../../model/api/index.ts";
import { compareRestored, type Holdfast, holdfastOf } from "../holdfast.ts";
import { Ledger } from "../ledger.ts";
import { createShop, fillShop } from "../shop.ts";
import { type SourceServer, startSource } from "../source-server.ts";
import type { RunningProgram } from "../start-program.ts";
import type { Story } from "../story.ts";
import { tryAll } from "./attempt.ts";
import { FOREIGN, IN_BUCKET, IN_DIRECTORY } from "./configurations.ts";
import { canHide, type DatabaseHost, openDatabaseHost } from "./database-host.ts";
import type { Host } from "./host.ts";
import { insiderAttempts } from "./insider.ts";
import { sendIntruder } from "./send-intruder.ts";
import type { Report } from "./report.ts";
import type { Stage } from "./stage.ts";
import { type Kept, logDocumentsOfBucket, logDocumentsOfDirectory, lookIntoBucket, lookIntoDirectory, lost, untilMerged } from "./witness.ts";

const ROWS_PER_MB = 950;
const OPEN_ROWS = 100;
const FINDING_LIMIT_MS = 120_000;
const POLL_MS = 200;

export interface WriteOnlyWorld {
  readonly stage: Stage;
  readonly story: Story;
  readonly report: Report;
  readonly sizeMb: number;
  /** The command line of the intruder's own process; its plan is added. */
  readonly intruder: readonly string[];
  readonly signal: AbortSignal;
  /** Ended in the opposite order, whatever happens. */
  readonly stops: (() => Promise<void>)[];
}

/** The database host and what runs there. */
interface Victim {
  readonly source: SourceServer;
  readonly host: Host;
  readonly agent: RunningProgram;
  /** Null where this machine allows no namespaces. */
  readonly apart: DatabaseHost | null;
}

/** Files of the log: one that is stored to its end, as a segment, and the one that is being written, in tails. */
interface LogFiles {
  readonly ended: string;
  readonly open: string;
}

/** Backed up to both, attacked with everything, destroyed, restored elsewhere from both. */
export async function runWriteOnly(world: WriteOnlyWorld): Promise<void> {
  const { story, report } = world;
  const victim = await openVictim(world);
  const ledger = new Ledger();
  const files = await protect(world, victim, ledger);
  const before = await look(world);
  await intrude(world, victim, { before, files });
  await tryInside(world, before);
  story.chapter("What was tried");
  await requireNothingLost(world, before, files.open);
  await destroy(world, victim);
  await restoreElsewhere(world, ledger);
  story.timeline();
  story.chapter("Verdict");
  report.conclude();
}

function instancesOf({ stage }: WriteOnlyWorld): string[] {
  return stage.bucket === null ? [IN_DIRECTORY] : [IN_BUCKET, IN_DIRECTORY];
}

function holdfastFor({ stage, signal }: WriteOnlyWorld, instance: string): Holdfast {
  return holdfastOf(stage.client, { instance, repositoryPath: stage.directory, signal });
}

async function openVictim(world: WriteOnlyWorld): Promise<Victim> {
  const { stage, story, stops } = world;
  story.chapter("Parties apart, each with a user and a directory of its own");
  const source = await startSource(stage.rootDir);
  stops.push(() => source.stop());
  const apart = (await canHide()) ? await openDatabaseHost([stage.awayDir]) : null;
  if (apart !== null) stops.push(() => apart.end());
  const [uid] = stage.agentIds;
  const databaseGid = sandboxAccount()?.gid;
  const groups = databaseGid === undefined ? [] : [databaseGid];
  const { host, agent } = await stage.openAgent({ name: "db1", uid, groups, dir: join(stage.rootDir, "agent"), socket: source.socket, into: apart?.into });
  const parties: [string, string, string][] = [
    ["server", String(stage.server.uid), "catalog, signing key, credentials of the bucket, its own way into the directory"],
    ["keyholder", String(stage.keyholder.uid), "the daily identity; asked over mutual TLS by the server alone"],
    ["gateway", String(stage.gateway.uid), "writes into the directory; believes grants that the server signed"],
    ...(stage.bucket === null ? [] : [["bucket", String(stage.bucket.uid), `${stage.bucket.serverName} with Object Lock, compliance: 1 h from the first byte, 2 d from the commit`] as [string, string, string]]),
    ["database", sandboxAccount()?.user ?? "", `MariaDB ${source.version}`],
    ["agent", String(uid), "its own token and nothing that opens a repository: requests to the bucket come signed by the server; may read the database's files as a member of its group"],
  ];
  for (const [name, user, what] of parties) story.tell(`${name.padEnd(10)} user ${user.padEnd(6)} ${what}`);
  story.tell("The users are numbers that this machine does not use: no account is made. Each host is played by a user here.");
  story.tell(apart === null ? "!!! This machine lets root make no namespaces: the intruder is the agent's user, not root." : "The database host is played by namespaces too: who is root there sees neither files nor processes of the others.");
  return { source, host, agent, apart };
}

async function protect(world: WriteOnlyWorld, { source }: Victim, ledger: Ledger): Promise<LogFiles> {
  const { stage, story, sizeMb } = world;
  story.chapter("A shop, backed up to both");
  const connection = await source.connect();
  await createShop(connection);
  const rows = sizeMb * ROWS_PER_MB;
  await fillShop(connection, ledger, { firstId: 1, count: rows });
  const backUpAll = async (kind: "full" | "incremental"): Promise<void> => {
    for (const instance of instancesOf(world)) {
      const backup = await story.timed(`${kind} backup, ${instance}`, () => holdfastFor(world, instance).backUp(kind));
      story.tell(`${instance}: ${kind} ${backup.backupId}, ${formatBytes(backup.streamBytes)} read, ${formatBytes(backup.storedBytes)} stored, encrypted`);
    }
  };
  await backUpAll("full");
  await fillShop(connection, ledger, { firstId: rows + 1, count: ROWS_PER_MB });
  await backUpAll("incremental");
  await fillShop(connection, ledger, { firstId: 10_000_000, count: ROWS_PER_MB });
  const ended = await source.logPosition();
  await connection.query("FLUSH BINARY LOGS");
  // What follows stays in tails: several, of a file that is not ended.
  for (const firstId of [20_000_000, 21_000_000]) {
    await fillShop(connection, ledger, { firstId, count: OPEN_ROWS });
    const place = await source.logPosition();
    for (const instance of instancesOf(world)) await holdfastFor(world, instance).waitUntilShipped(place);
  }
  await connection.end();
  const goal = await source.logPosition();
  const { bucket } = stage;
  await untilMerged(() => logDocumentsOfDirectory(stage.directory), ended.file);
  if (bucket !== null) await untilMerged(() => logDocumentsOfBucket(bucket), ended.file);
  story.tell(`the log is shipped to both up to ${goal.file}:${String(goal.position)}; ${String(ledger.entries().length)} commits in the writer's own ledger`);
  return { ended: ended.file, open: goal.file };
}

async function look({ stage }: WriteOnlyWorld): Promise<Kept[]> {
  return [...(await lookIntoDirectory(stage.directory)), ...(stage.bucket === null ? [] : await lookIntoBucket(stage.bucket))];
}

async function intrude(world: WriteOnlyWorld, victim: Victim, { before, files }: { before: readonly Kept[]; files: LogFiles }): Promise<void> {
  const { stage, story, report, signal } = world;
  story.chapter(victim.apart === null ? "Somebody has become the agent's user on the database host" : "Somebody has become root on the database host");
  const newest = await holdfastFor(world, IN_DIRECTORY).newestBackup();
  // Work of another pool, for which no agent is there to take it.
  const { job } = await stage.client.call(api.backups.run, { instance: FOREIGN, kind: "full" });
  const plan = await sendIntruder({ ...victim, world, stored: before, foreignJobId: job.jobId, backupId: newest?.backupId ?? "", instances: instancesOf(world), logFile: files.ended, openLogFile: files.open });
  await story.timed("intrusion", () => plan.run((tried) => report.add(tried), signal));
  const code = await victim.agent.ended;
  const { findings } = await stage.client.call(api.system.findings, { all: false });
  const noticed = findings.find(({ kind }) => kind === "agent-replaced");
  if (noticed === undefined) throw new HoldfastError("VERIFICATION_FAILED", "The server did not notice that a stolen identity was used beside the agent's own.");
  story.tell(`noticed: the agent ended with exit code ${String(code)}, and the server has the finding ${noticed.kind}: ${noticed.message}`);
  await stage.client.call(api.jobs.cancel, { jobId: job.jobId });
}

/** Not the intruder's: the best credentials that any configuration here holds. */
async function tryInside({ stage, story, report }: WriteOnlyWorld, before: readonly Kept[]): Promise<void> {
  const { bucket } = stage;
  if (bucket === null) return;
  story.chapter("And with the server's own credentials, which open the bucket: can a lock be lifted?");
  const locked = before.filter(({ repository, lockedUntil }) => repository === "bucket" && lockedUntil !== null);
  const kinds = [/\/backups\/.*\/000000\.zst\.age$/, /\/backups\/.*\/manifest\.json$/, /\/logs\/.*\.json$/];
  const objects = kinds.flatMap((kind) => locked.find(({ key }) => kind.test(key)) ?? []);
  if (objects.length < kinds.length) throw new Error("the bucket has not one locked object of each kind");
  await tryAll(insiderAttempts(bucket.admin, bucket.place.bucket, objects), (tried) => report.add(tried));
}

async function requireNothingLost(world: WriteOnlyWorld, before: readonly Kept[], openFile: string): Promise<void> {
  const { story, report } = world;
  story.tell(report.summary());
  const after = await look(world);
  const differences = lost(before, after);
  for (const difference of differences) story.tell(`!!! LOST: ${difference}`);
  if (differences.length > 0) throw new HoldfastError("VERIFICATION_FAILED", `${String(differences.length)} objects were harmed; the first: ${differences[0] ?? ""}.`);
  story.tell(`every one of the ${String(before.length)} objects that were stored before is there, byte for byte, and locked for no less`);
  const keys = await releasedKeys(world);
  if (keys > 0) throw new HoldfastError("VERIFICATION_FAILED", `The keyholder gave out ${String(keys)} file keys while nothing was restored.`);
  story.tell("the keyholder gave out no file key");
  story.tell(`taken, because the server cannot look into what is encrypted: rubbish in the place of ${openFile}, which was being written; its tails are among the objects above`);
  story.tell(`${String(after.length - before.length)} objects were added: what a stolen identity may write under its own lease, and the server's own notes`);
}

async function destroy({ stage, story }: WriteOnlyWorld, { source, host, apart }: Victim): Promise<void> {
  story.chapter("The database host is lost: data, logs, agent and its identity");
  await source.destroy();
  await apart?.end();
  await rm(host.dir, { recursive: true, force: true });
  story.mark("database host lost");
  story.command("holdfast agent revoke db1");
  await stage.client.call(api.agents.revoke, { agent: "db1" });
  story.tell("the stolen identity opens nothing any more");
}

async function restoreElsewhere(world: WriteOnlyWorld, ledger: Ledger): Promise<void> {
  const { stage, story, signal } = world;
  story.chapter("Another host joins, and the shop is restored there from each");
  const [, uid] = stage.agentIds;
  const { host } = await stage.openAgent({ name: "db2", uid, groups: [], dir: join(stage.rootDir, "second"), socket: "/nowhere/there-is-no-database-here.sock" });
  const last = ledger.entries().at(-1);
  if (last === undefined) throw new Error("the ledger is empty");
  for (const instance of instancesOf(world)) {
    await waitForFinding(world, instance);
    story.command(`holdfast restore run ${instance} --to-gtid ${last.gtid}`);
    const startedMs = performance.now();
    const result = await story.timed(`restore of ${instance}`, () => holdfastFor(world, instance).restore({ kind: "gtid", gtid: last.gtid }, join(host.dir, "restores", instance)));
    story.tell(`restored in ${formatDuration(performance.now() - startedMs)}`);
    const restored = { rootDir: host.dir, signal, owner: { user: "db2", uid, gid: uid } };
    story.compared(instance, await compareRestored(restored, result.targetPath, ledger.stateAt(last.gtid)));
    const newest = await holdfastFor(world, instance).newestBackup();
    if (newest === undefined) throw new Error(`${instance} has no backup`);
    const report = await story.timed(`verification of ${instance} to T4`, () => holdfastFor(world, instance).verify(newest.backupId));
    if (report.status !== "passed") throw new HoldfastError("VERIFICATION_FAILED", `The verification of ${newest.backupId} ended as ${report.status}.`);
    story.tell(`verified to ${report.tier}: ${report.status}`);
  }
  story.tell(`the keyholder's log has ${String(await releasedKeys(world))} file keys, all given out since the intruder was gone`);
}

/** The server looks by itself into what has replaced tails; where it finds no log, the tails are the log again. */
async function waitForFinding(world: WriteOnlyWorld, instance: string): Promise<void> {
  const { stage, story } = world;
  const { instanceId } = await holdfastFor(world, instance).coverage();
  for (let waitedMs = 0; waitedMs <= FINDING_LIMIT_MS; waitedMs += POLL_MS) {
    const { findings } = await stage.client.call(api.system.findings, { all: false });
    const found = findings.find(({ kind, subject }) => kind === "log-segment-useless" && subject === `instance:${instanceId}`);
    if (found !== undefined) return story.tell(`found by the server: ${found.message}`);
    await delay(POLL_MS, world.signal);
  }
  throw new HoldfastError("VERIFICATION_FAILED", `The server did not find the rubbish in the place of ${instance}'s newest log.`);
}

/** By the keyholder's own log. */
async function releasedKeys({ stage }: WriteOnlyWorld): Promise<number> {
  const lines = (await readFile(join(stage.keyholder.dir, "state", "releases.jsonl"), "utf8")).trim().split("\n");
  return lines.filter((line) => (JSON.parse(line) as { event: string }).event === "released").length;
}
