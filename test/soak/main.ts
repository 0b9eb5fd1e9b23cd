/**
 * Random faults in the real processes, until the time is over; ends with what was done and what was violated.
 * `main.ts --minutes N [--seed S] [--only R] [--fault WORDS]`: the same seed plans the same rounds, and `--only` runs one of
 * them alone. With `--fault` each round makes one of the faults whose name contains the words, such as
 * `backup, stream: kill mariadb-backup`, `slow backup` or `fill repository`; with `--minutes 0` there is one round.
 * Needs root, for disks that can be full.
 */
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Ground, makeGround } from "./ground.ts";
import { Invariants, type Violation } from "./invariants.ts";
import { describeFault, faultsNamed, planRound } from "./plan.ts";
import { seededRandom } from "./random.ts";
import { type FaultResult, runRound, takeBackup } from "./round.ts";
import { STATES } from "./states.ts";
import { tableOf } from "./table.ts";

const print = (line: string): void => void process.stdout.write(`${line}\n`);

interface Tally {
  readonly faults: FaultResult[];
  readonly violations: Violation[];
  rounds: number;
}

type Among = Parameters<typeof planRound>[2];

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly only: number | null;
  readonly among: Among;
  /** What was asked for besides the seed, to be asked for again. */
  readonly again: string;
}

function options(): Options {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ options: { minutes: { ...text, default: "5" }, seed: text, only: text, fault: text } });
  const minutes = Number(values.minutes);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  const only = values.only === undefined ? null : Number(values.only);
  if (![minutes, seed, only ?? 0].every(Number.isFinite)) throw new RangeError("--minutes, --seed and --only take numbers");
  const among = values.fault === undefined ? undefined : faultsNamed(values.fault);
  if (among?.length === 0) throw new RangeError(`--fault: no fault has "${String(values.fault)}" in its name`);
  return { minutes, seed, only, among, again: values.fault === undefined ? "" : ` --fault "${values.fault}"` };
}

type At = Pick<Options, "seed" | "among" | "again"> & { readonly round: number };

async function oneRound(ground: Ground, invariants: Invariants, tally: Tally, at: At): Promise<void> {
  const plan = planRound(at.seed, at.round, at.among);
  const startMs = Date.now();
  const { faults, violations } = await runRound(ground, invariants, plan);
  tally.rounds += 1;
  tally.faults.push(...faults);
  for (const { plan: fault, wasMade, ended, endedItself } of faults) {
    print(`round ${String(at.round)}: ${describeFault(fault)} -> ${wasMade ? "" : "NOT MADE, "}job ${ended}${endedItself ? "; holdfast ended by itself and was started again" : ""}`);
  }
  print(`round ${String(at.round)}: checked, ${String(violations.length)} violations, ${String(Math.round((Date.now() - startMs) / 1_000))} s`);
  await say(ground, tally, at, violations);
}

async function say(ground: Ground, tally: Tally, at: At, violations: readonly Violation[]): Promise<void> {
  if (violations.length === 0) return;
  tally.violations.push(...violations);
  const kept = join(tmpdir(), `holdfast-soak-${String(at.seed)}-${String(at.round)}.jsonl`);
  await copyFile(ground.logPath, kept);
  for (const { invariant, what } of violations) print(`round ${String(at.round)}: VIOLATION of "${invariant}": ${what}`);
  print(`  again: npm run test:soak -- --seed ${String(at.seed)} --only ${String(at.round)}${at.again}; the log so far is ${kept}`);
}

const stateOf = ({ plan }: FaultResult): string => `${plan.state.scenario}: ${plan.state.name}`;

function summary(tally: Tally, seed: number, startMs: number): void {
  const made = tally.faults.filter(({ wasMade }) => wasMade);
  const states = STATES.map(({ scenario, name }) => `${scenario}: ${name}`);
  print(`\nfaults made, by state and process\n${tableOf(made.map((fault) => [stateOf(fault), fault.plan.process]), states)}`);
  print(`\nfaults made, by process and kind\n${tableOf(made.map(({ plan }) => [plan.process, plan.fault]))}`);
  print(`\nhow the jobs ended that met a fault\n${tableOf(made.map(({ plan, ended }) => [ended, plan.state.scenario]))}`);
  const met = new Set(made.map(stateOf));
  const unmet = states.filter((state) => !met.has(state));
  print(`\nstates without a fault this time: ${unmet.length === 0 ? "none" : unmet.join(", ")}`);
  const itself = made.filter(({ endedItself }) => endedItself).length;
  print(`${String(tally.faults.length - made.length)} faults could not be made in time; Holdfast ended by itself ${String(itself)} times`);
  print(`seed ${String(seed)}: ${String(tally.rounds)} rounds in ${String(Math.round((Date.now() - startMs) / 1_000))} s, ${String(made.length)} faults, ${String(tally.violations.length)} violations`);
}

async function main(): Promise<void> {
  const { minutes, only, ...asked } = options();
  const { seed } = asked;
  const startMs = Date.now();
  print(`seed ${String(seed)}`);
  const ground = await makeGround(seededRandom(seed));
  // The round under way then breaks off, and nothing is left.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void ground.remove());
  const tally: Tally = { faults: [], violations: [], rounds: 0 };
  try {
    const invariants = new Invariants(ground);
    await takeBackup(ground);
    if (only !== null) await oneRound(ground, invariants, tally, { ...asked, round: only });
    for (let round = 1; only === null && (round === 1 || Date.now() - startMs < minutes * 60_000); round += 1) await oneRound(ground, invariants, tally, { ...asked, round });
    // Once more, from nothing: what was proved early must still hold.
    invariants.forget();
    await say(ground, tally, { ...asked, round: tally.rounds }, await invariants.check());
  } catch (error) {
    tally.violations.push({ invariant: "the next run works", what: String(error) });
    print(`the run broke off: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    await copyFile(ground.logPath, join(tmpdir(), `holdfast-soak-${String(seed)}-end.jsonl`)).catch(() => undefined);
  } finally {
    await ground.remove();
  }
  summary(tally, seed, startMs);
  process.exitCode = tally.violations.length === 0 ? 0 : 1;
}

await main();
