import { between, pick, type Random, seededRandom, shuffled } from "./random.ts";
import { type FaultKind, type ProcessName, type State, STATES } from "./states.ts";

/** One fault, decided before anything runs. */
export interface FaultPlan {
  readonly state: State;
  readonly process: ProcessName;
  readonly fault: FaultKind;
  /** Between the sight of the state and the fault. */
  readonly delayMs: number;
  /** How long a freeze, a full disk or failing I/O lasts; how long a killed database server stays away. */
  readonly lastsMs: number;
  /** For `io`: the size beyond which files cannot grow. */
  readonly limitBytes: number;
  /** Kind of the backup that the fault meets, and of the next one. */
  readonly backupKind: "full" | "incremental";
}

export interface RoundPlan {
  readonly seed: number;
  readonly round: number;
  readonly faults: readonly FaultPlan[];
}

const FAULTS_A_ROUND = 3;
/** Every state once, and those of shipping, which never ends, three times: a deck that is dealt to its end and shuffled again. */
const DECK = [...STATES, ...Array.from({ length: 2 }, () => STATES.filter(({ scenario }) => scenario === "ship")).flat()];

/** A fault, in words that `--fault` takes: `backup, stream: kill mariadb-backup`. */
type Choice = Pick<FaultPlan, "state" | "process" | "fault">;
const named = ({ state, process, fault }: Choice): string => `${state.scenario}, ${state.name}: ${fault} ${process}`;

/** Every fault whose words contain these. */
export function faultsNamed(words: string): Choice[] {
  const all = STATES.flatMap((state) => state.faults.flatMap(([process, kinds]) => kinds.map((fault) => ({ state, process, fault }))));
  return all.filter((choice) => named(choice).includes(words));
}

const randomOf = (seed: number, number: number, factor: number): Random => seededRandom((Math.imul(seed, 0x9e3779b1) + Math.imul(number, factor)) >>> 0);

/** The same seed and round give the same plan, whatever ran before. Of `among`, when it is given, one fault a round. */
export function planRound(seed: number, round: number, among?: readonly Choice[]): RoundPlan {
  const random = randomOf(seed, round, 0x85ebca6b);
  const first = (round - 1) * FAULTS_A_ROUND;
  const faults = among === undefined ? Array.from({ length: FAULTS_A_ROUND }, (_, number) => planFault(random, choose(random, dealt(seed, first + number)))) : [planFault(random, pick(random, among))];
  return { seed, round, faults };
}

function dealt(seed: number, number: number): State {
  const deck = shuffled(randomOf(seed, Math.floor(number / DECK.length), 0xc2b2ae35), DECK);
  return deck[number % DECK.length] as State;
}

function choose(random: Random, state: State): Choice {
  const [process, kinds] = pick(random, state.faults);
  return { state, process, fault: pick(random, kinds) };
}

function planFault(random: Random, choice: Choice): FaultPlan {
  return {
    ...choice,
    delayMs: random() < 0.5 ? 0 : between(random, 1, 400),
    lastsMs: between(random, 300, choice.fault === "freeze" && random() < 0.2 ? 9_000 : 2_500),
    limitBytes: random() < 0.5 ? 0 : between(random, 1, 4_000_000),
    backupKind: pick(random, ["full", "incremental"]),
  };
}

/** A plan for one named fault, for the fixed set. */
export function namedFault(wanted: { scenario: State["scenario"]; state: string; process: ProcessName; fault: FaultKind } & Partial<Pick<FaultPlan, "delayMs" | "lastsMs" | "limitBytes">>): FaultPlan {
  const state = STATES.find(({ scenario, name }) => scenario === wanted.scenario && name === wanted.state);
  if (state === undefined) throw new RangeError(`there is no state ${wanted.scenario}: ${wanted.state}`);
  const { delayMs = 0, lastsMs = 1_000, limitBytes = 0 } = wanted;
  return { state, process: wanted.process, fault: wanted.fault, delayMs, lastsMs, limitBytes, backupKind: "full" };
}

export function describeFault(plan: FaultPlan): string {
  const after = plan.delayMs === 0 ? "" : ` after ${String(plan.delayMs)} ms`;
  const lasting = plan.fault === "kill" && plan.process !== "source" && plan.process !== "other server" ? "" : ` for ${String(plan.lastsMs)} ms`;
  return `${plan.state.scenario}, ${plan.state.name}${after}: ${plan.fault} ${plan.process}${lasting}`;
}
