import { existsSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { compareRestored, waitForJob } from "../../src/demo/holdfast.ts";
import { compareRows } from "../../src/demo/ledger.ts";
import { readShop } from "../../src/demo/shop.ts";
import { delay } from "../../src/lib/clock.ts";
import { api } from "../../src/model/api/index.ts";
import type { Backup, Coverage } from "../../src/model/backup.ts";
import type { RestoreGoal } from "../../src/model/restore.ts";
import { leaseFaults, readCatalog } from "./catalog-copy.ts";
import { CoverageCheck } from "./coverage-check.ts";
import type { Ground } from "./ground.ts";
import { processes } from "./processes.ts";
import { attemptsWithManifest, backupFaults, storedAttempts, storedLog } from "./stored.ts";

export const INVARIANTS = [
  "no half-done backup is listed",
  "every listed backup restores",
  "the next run works",
  "no leftover is unnamed",
  "no lease is held twice",
  "coverage claims no missing instant",
] as const;
export type Invariant = (typeof INVARIANTS)[number];

export interface Violation {
  readonly invariant: Invariant;
  readonly what: string;
}

const broken = (invariant: Invariant, whats: readonly string[]): Violation[] => whats.map((what) => ({ invariant, what }));
const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const QUIET_MS = 20_000;

/** Remembers what was proved of things that never change, so that each round pays for its own alone. */
export class Invariants {
  readonly #ground: Ground;
  readonly #coverage: CoverageCheck;
  readonly #whole = new Set<string>();
  readonly #restored = new Set<string>();
  #restores = 0;

  constructor(ground: Ground) {
    this.#ground = ground;
    this.#coverage = new CoverageCheck(ground.dailyKeyPath);
  }

  /** All of them, on a Holdfast at rest: nothing writes into the source, and no job but shipping runs. Leaves Holdfast running. */
  async check(): Promise<Violation[]> {
    const { holdfast, client } = this.#ground.up();
    const violations: Violation[] = [];
    const place = await this.#ground.logPosition();
    await holdfast.waitUntilShipped(place).catch((error: unknown) => violations.push(...broken("the next run works", [`shipping: ${message(error)}`])));
    const { backups } = await client.call(api.backups.list, { limit: 1_000 });
    violations.push(...broken("no half-done backup is listed", await this.listedFaults(backups)));
    violations.push(...broken("every listed backup restores", await this.restoreFaults(backups)));
    violations.push(...broken("coverage claims no missing instant", await this.coverageFaults(await holdfast.coverage())));
    violations.push(...broken("no leftover is unnamed", await this.runningLeftovers()));
    violations.push(...(await this.stoppedFaults()));
    return violations;
  }

  /** Forgets what was proved: the next check proves everything again. */
  forget(): void {
    this.#whole.clear();
    this.#restored.clear();
  }

  /** Listed if and only if committed, and every listed one is whole. */
  async listedFaults(backups: readonly Backup[]): Promise<string[]> {
    const { repositoryPath } = this.#ground;
    const stored = new Set(attemptsWithManifest(repositoryPath));
    const faults = [...stored].filter((id) => !backups.some(({ backupId }) => backupId === id)).map((id) => `backup ${id} has a manifest and is not listed`);
    for (const backup of backups) {
      if (this.#whole.has(backup.backupId)) continue;
      const found = await backupFaults(repositoryPath, backup);
      if (found.length === 0) this.#whole.add(backup.backupId);
      faults.push(...found);
    }
    return faults;
  }

  /** Restores the end of the log, and each backup that was not restored yet, and compares the rows with the ledger and the source. */
  async restoreFaults(backups: readonly Backup[]): Promise<string[]> {
    const { witness } = this.#ground;
    const source = await this.#sourceRows();
    const faults = compareRows(witness.expectedRows(), source).differences.slice(0, 3).map((fault) => `the ledger and the source differ before any restore: ${fault}`);
    faults.push(...(await this.#restore({ kind: "latest" }, source)));
    for (const { backupId, facts } of backups) {
      if (this.#restored.has(backupId)) continue;
      const found = await this.#restore({ kind: "backup", backupId }, witness.ledger.stateAt(facts.logPosition?.gtid ?? ""));
      if (found.length === 0) this.#restored.add(backupId);
      faults.push(...found);
    }
    return faults;
  }

  async #sourceRows(): Promise<Map<number, string>> {
    const connection = await this.#ground.connect();
    try {
      return await readShop(connection);
    } finally {
      connection.destroy();
    }
  }

  async #restore(goal: RestoreGoal, expected: ReadonlyMap<number, string>): Promise<string[]> {
    this.#restores += 1;
    const path = join(this.#ground.targetPath, `check-${String(this.#restores)}`);
    const what = goal.kind === "backup" ? `backup ${goal.backupId}` : "the end of the log";
    try {
      const { client } = this.#ground.up();
      const { job } = await client.call(api.restores.run, { instance: "shop", goal, allowGap: false, target: { kind: "directory", path, start: false } });
      await waitForJob(client, job, this.#ground.signal);
      return await restoredFaults(this.#ground, { path, expected, what });
    } catch (error) {
      return [`${what} does not restore: ${message(error)}`];
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  }

  async coverageFaults({ intervals }: Coverage): Promise<string[]> {
    const { pieces } = await storedLog(this.#ground.repositoryPath);
    return this.#coverage.faults(intervals, pieces, await this.#ground.binlogFiles());
  }

  /** No tool outlives its job, and no unfinished restore lies about. */
  async runningLeftovers(): Promise<string[]> {
    const find = (): string[] => [
      ...strayProcesses(this.#ground),
      ...readdirSync(this.#ground.targetPath).filter((name) => name.includes(".partial-")).map((name) => `an unfinished restore is left: ${name}`),
    ];
    return untilNone(find, QUIET_MS);
  }

  /** Ends Holdfast in order, looks at what it leaves, and starts it again. */
  async stoppedFaults(): Promise<Violation[]> {
    const { repositoryPath, statePath } = this.#ground;
    const code = await this.#ground.up().stop();
    const catalog = readCatalog(statePath);
    const leftovers = [
      ...(await untilNone(() => strayProcesses(this.#ground), 2_000)),
      ...namesIn(join(statePath, "scratch")).map((name) => `scratch/${name} is left after the end`),
      ...namesIn(join(repositoryPath, ".tmp")).map((name) => `an unfinished write is left after the end: .tmp/${name}`),
      ...storedAttempts(repositoryPath).filter((id) => !catalog.attempts.some((attempt) => attempt.id === id)).map((id) => `the catalog does not know whose the objects of ${id} are`),
      ...(await storedLog(repositoryPath)).strangers.filter(({ key }) => !catalog.namedObjects.has(key)).map(({ key }) => `the catalog does not know whose ${key} is`),
    ];
    const ends = code === 0 ? [] : [`holdfast ended with ${String(code)} when asked to stop`];
    await this.#ground.ensureUp();
    return [
      ...broken("no leftover is unnamed", leftovers),
      ...broken("no lease is held twice", leaseFaults(catalog.attempts)),
      ...broken("the next run works", [...ends, ...catalog.faults]),
    ];
  }
}

/** Starts a plain server on a restored directory and compares its rows. */
export async function restoredFaults(ground: Ground, restored: { path: string; expected: ReadonlyMap<number, string>; what: string }): Promise<string[]> {
  const { path, expected, what } = restored;
  try {
    const { differences } = await compareRestored(ground, path, expected);
    return differences.slice(0, 3).map((difference) => `${what}, restored: ${difference} (${String(differences.length)} differences)`);
  } catch (error) {
    return [`no server starts on ${what}, restored: ${message(error)}`];
  }
}

const namesIn = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);

/** Processes below the ground's directory that are neither Holdfast, nor its log connection, nor the source. */
function strayProcesses(ground: Ground): string[] {
  const up = ground.up();
  return processes()
    .filter(({ pid, parent, command, name, isZombie }) => {
      if (isZombie || pid === process.pid || pid === up.pid || pid === ground.mariadb.pid || !command.includes(`${ground.rootDir}/`)) return false;
      return !(parent === up.pid && name === "mariadb-binlog");
    })
    .map(({ pid, command }) => `a process is left: ${String(pid)} ${command.slice(0, 120)}`);
}

async function untilNone(find: () => string[], limitMs: number): Promise<string[]> {
  for (const endMs = Date.now() + limitMs; ; ) {
    const found = find();
    if (found.length === 0 || Date.now() > endMs) return found;
    await delay(100);
  }
}
