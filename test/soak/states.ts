import type { JobKind } from "../../src/model/job.ts";

/** One line of Holdfast's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/**
 * The processes that faults are made in. `source` is the database server that is backed up, `sandbox` a throwaway one,
 * `served` one that a restore leaves running, `other server` one that a table is loaded into. There is no mbstream:
 * Holdfast unpacks by itself, so that its part is met in `holdfast` at the state `fetch`.
 */
export const PROCESSES = ["holdfast", "mariadb-backup", "mariadb-binlog", "mariadb-dump", "mariadb", "source", "sandbox", "served", "other server"] as const;
export type ProcessName = (typeof PROCESSES)[number];

/**
 * kill: SIGKILL. freeze: SIGSTOP, later SIGCONT. fill: no byte more fits on the named disk. io: every write beyond a size fails
 * in the process (EFBIG). open: the process gets no new file descriptor (EMFILE).
 */
export type FaultKind = "kill" | "freeze" | "io" | "open" | "fill repository" | "fill state" | "fill target";

/**
 * What runs when a fault is made. A slow backup is one whose repository takes less than the tool gives, so that packs go
 * to the spool on disk; a served restore leaves a server running; a table is restored into a file or into another server.
 */
export const SCENARIOS = ["backup", "slow backup", "ship", "restore", "served restore", "restore table", "table into server", "verify"] as const;
export type Scenario = (typeof SCENARIOS)[number];

export interface State {
  readonly scenario: Scenario;
  readonly name: string;
  /** The log line that says the job is there; null: as soon as the job is asked for. */
  readonly seen: ((line: LogLine) => boolean) | null;
  readonly faults: readonly (readonly [ProcessName, readonly FaultKind[]])[];
}

const JOB_KINDS: Readonly<Record<Scenario, JobKind>> = {
  backup: "backup", "slow backup": "backup", ship: "ship", verify: "verify",
  restore: "restore", "served restore": "restore", "restore table": "restore", "table into server": "restore",
}; // prettier-ignore
export const jobKindOf = (scenario: Scenario): JobKind => JOB_KINDS[scenario];

const says = (message: string) => (line: LogLine): boolean => line["msg"] === message;
const begins = (phase: string) => (line: LogLine): boolean => line["msg"] === "phase begins" && line["phase"] === phase;
const claimed = says("job claimed");

const SIGNALS = ["kill", "freeze"] as const;
const OWN = ["kill", "freeze", "io", "open"] as const;
const KILL = ["kill"] as const;

type Faults = State["faults"];

const PREPARE: Faults = [["holdfast", SIGNALS], ["mariadb-backup", [...SIGNALS, "io"]]];
const SANDBOX: Faults = [["holdfast", SIGNALS], ["sandbox", [...SIGNALS, "io"]]];

/** The part that every real restore has, whatever it is for; `disk` is where its data directory lies. */
function restoring(scenario: Scenario, disk: "fill state" | "fill target"): State[] {
  const at = (name: string, seen: State["seen"], faults: Faults): State => ({ scenario, name, seen, faults });
  return [
    at("claimed", claimed, [["holdfast", OWN]]),
    at("fetch", begins("fetch"), [["holdfast", [...OWN, disk]]]),
    at("prepare", begins("prepare"), [...PREPARE, ["mariadb-backup", [disk]]]),
    at("sandbox starts", begins("start"), [...SANDBOX, ["sandbox", [disk]]]),
  ];
}

const REPLAYING: readonly (readonly [string, string])[] = [["logs", "logs"], ["replay", "replay"]];

function replaying(scenario: Scenario, disk: "fill state" | "fill target"): State[] {
  return REPLAYING.map(([name, phase]) => ({ scenario, name, seen: begins(phase), faults: [...SANDBOX, ["holdfast", ["io", "open"]], ["sandbox", [disk]]] }));
}

/** A table without the rest: two sandboxes, the first for the dictionary alone. */
function restoringTable(): State[] {
  const at = (name: string, seen: State["seen"], faults: Faults): State => ({ scenario: "restore table", name, seen, faults });
  return [
    at("planned", null, [["holdfast", SIGNALS]]),
    at("claimed", claimed, [["holdfast", OWN]]),
    at("logs", begins("logs"), [["holdfast", [...OWN, "fill state"]]]),
    at("fetch", begins("fetch"), [["holdfast", [...OWN, "fill state"]]]),
    at("dictionary", begins("dictionary"), [...PREPARE, ["sandbox", [...SIGNALS, "io", "fill state"]]]),
    at("prepare", begins("prepare"), [...PREPARE, ["mariadb-backup", ["fill state"]]]),
    at("sandbox starts", begins("start"), [...SANDBOX, ["sandbox", ["fill state"]]]),
    at("check", begins("check"), SANDBOX),
    at("replay", begins("replay"), [...SANDBOX, ["sandbox", ["fill state"]]]),
    at("dump", begins("dump"), [...SANDBOX, ["mariadb-dump", SIGNALS], ["holdfast", ["fill target"]]]),
    at("sandbox stops", begins("stop"), SANDBOX),
    at("restored", says("attempt ended"), [["holdfast", SIGNALS]]),
  ];
}

/** Every state of a job that a fault is made at, from `due` to `committed` and from `planned` to `restored`. */
export const STATES: readonly State[] = [
  { scenario: "backup", name: "due", seen: null, faults: [["holdfast", SIGNALS], ["source", SIGNALS]] },
  { scenario: "backup", name: "claimed", seen: claimed, faults: [["holdfast", OWN], ["source", SIGNALS]] },
  { scenario: "backup", name: "start", seen: begins("start"), faults: [["holdfast", OWN], ["mariadb-backup", [...SIGNALS, "io"]], ["source", SIGNALS]] },
  {
    scenario: "backup", name: "stream", seen: begins("stream"),
    faults: [["holdfast", [...OWN, "fill repository", "fill state"]], ["mariadb-backup", [...SIGNALS, "io", "fill state"]], ["source", SIGNALS]],
  },
  { scenario: "backup", name: "record", seen: begins("record"), faults: [["holdfast", [...OWN, "fill repository", "fill state"]], ["source", SIGNALS]] },
  { scenario: "backup", name: "stored", seen: says("every object of the backup is stored"), faults: [["holdfast", [...OWN, "fill repository", "fill state"]]] },
  { scenario: "backup", name: "committing", seen: says("commit is decided"), faults: [["holdfast", [...OWN, "fill repository", "fill state"]]] },
  { scenario: "backup", name: "manifest stored", seen: says("manifest is stored"), faults: [["holdfast", [...SIGNALS, "fill state"]]] },
  { scenario: "backup", name: "committed", seen: says("backup committed"), faults: [["holdfast", [...SIGNALS, "fill state"]]] },

  {
    scenario: "slow backup", name: "spooling", seen: says("packs go to the spool on disk"),
    faults: [["holdfast", [...OWN, "fill repository", "fill state"]], ["mariadb-backup", [...SIGNALS, "io"]], ["source", SIGNALS]],
  },
  { scenario: "slow backup", name: "store", seen: begins("store"), faults: [["holdfast", [...OWN, "fill repository", "fill state"]], ["source", SIGNALS]] },

  {
    scenario: "ship", name: "following", seen: null,
    faults: [["holdfast", [...OWN, "fill repository", "fill state"]], ["mariadb-binlog", [...SIGNALS, "io"]], ["source", SIGNALS]],
  },
  { scenario: "ship", name: "piece stored", seen: says("piece of log is stored"), faults: [["holdfast", [...OWN, "fill repository", "fill state"]], ["mariadb-binlog", KILL]] },
  { scenario: "ship", name: "piece committed", seen: says("piece of log is committed"), faults: [["holdfast", OWN], ["source", KILL]] },

  { scenario: "restore", name: "planned", seen: null, faults: [["holdfast", SIGNALS]] },
  ...restoring("restore", "fill target"),
  ...replaying("restore", "fill target"),
  { scenario: "restore", name: "sandbox stops", seen: begins("stop"), faults: SANDBOX },
  { scenario: "restore", name: "sync", seen: begins("sync"), faults: [["holdfast", [...SIGNALS, "fill target"]]] },
  { scenario: "restore", name: "placed", seen: says("the restored directory has its name"), faults: [["holdfast", SIGNALS]] },
  { scenario: "restore", name: "restored", seen: says("attempt ended"), faults: [["holdfast", SIGNALS]] },

  { scenario: "served restore", name: "serve", seen: begins("serve"), faults: [["holdfast", [...SIGNALS, "open"]], ["served", [...SIGNALS, "io", "fill target"]]] },
  { scenario: "served restore", name: "restored", seen: says("attempt ended"), faults: [["holdfast", SIGNALS]] },

  ...restoringTable(),
  { scenario: "table into server", name: "load", seen: begins("load"), faults: [["holdfast", SIGNALS], ["mariadb", SIGNALS], ["other server", SIGNALS]] },
  { scenario: "table into server", name: "restored", seen: says("attempt ended"), faults: [["holdfast", SIGNALS]] },

  { scenario: "verify", name: "due", seen: null, faults: [["holdfast", SIGNALS]] },
  { scenario: "verify", name: "hash", seen: begins("hash"), faults: [["holdfast", OWN]] },
  ...restoring("verify", "fill state"),
  { scenario: "verify", name: "count", seen: begins("count"), faults: SANDBOX },
  ...replaying("verify", "fill state"),
  { scenario: "verify", name: "sandbox stops", seen: begins("stop"), faults: SANDBOX },
  { scenario: "verify", name: "reported", seen: says("attempt ended"), faults: [["holdfast", SIGNALS]] },
];
