/** What mariadb-backup says it is doing. */
export type BackupPhase = "starting" | "copying" | "locked" | "redo" | "finishing" | "finished";

const PHASE_WORDS: readonly { phase: BackupPhase; words: RegExp }[] = [
  { phase: "copying", words: /BACKUP STAGE START|Streaming |Acquiring BACKUP LOCKS/ },
  { phase: "locked", words: /(?:Acquired locks for|Started|Starting) BACKUP STAGE BLOCK_|FLUSH TABLES WITH READ LOCK/ },
  { phase: "redo", words: /The latest check point|Stopping log copying/ },
  { phase: "finishing", words: /BACKUP STAGE END|All tables unlocked/ },
  { phase: "finished", words: /completed OK!$/ },
];
const PHASES: readonly BackupPhase[] = ["starting", ...PHASE_WORDS.map((row) => row.phase)];

/**
 * A lock counts from when it is asked for: who waits for one makes all that come after it wait too. The earlier stages
 * (START, FLUSH) let statements go on; see mariadb.com/kb/en/backup-stage.
 */
const LOCK_ASKED = /^(?:Started|Starting|Acquired locks for|Executing) (BACKUP STAGE BLOCK_\w+|FLUSH TABLES WITH READ LOCK)/;
const LOCK_RELEASED = /^(?:All tables unlocked|completed OK!$)/;

/** Lines in the form of an error that are none, each with its reason. None is known; nothing may be added without a log that shows it. */
const BENIGN: readonly { line: RegExp; reason: string }[] = [];

/** Follows the log of one run of the tool; success needs its last word and no error line. */
export interface ToolLog {
  line(text: string): void;
  phase(): BackupPhase;
  /** The lock that the tool holds, or waits for, so that others wait; null when there is none. */
  blocking(): string | null;
  /** Why the run must not be believed, as a sentence; null when the log says that it completed and nothing went wrong. */
  fault(): string | null;
}

export function followToolLog(): ToolLog {
  let rank = 0;
  let lastWords = "";
  let firstError: string | null = null;
  let blocking: string | null = null;
  return {
    line: (text) => {
      const said = text.trim();
      if (said === "") return;
      lastWords = said;
      // Phases only go forward: files are still being streamed while locks are held.
      rank = Math.max(rank, PHASES.indexOf(phaseOf(said)));
      const words = said.replace(PREFIX, "");
      blocking = LOCK_RELEASED.test(words) ? null : (LOCK_ASKED.exec(words)?.[1] ?? blocking);
      firstError ??= isError(said) ? said : null;
    },
    phase: () => PHASES[rank] ?? "starting",
    blocking: () => blocking,
    fault: () => {
      if (firstError !== null) return `its log holds an error: ${firstError}`;
      if (!/(?:^|\s)completed OK!$/.test(lastWords)) return `its log does not end with "completed OK!" but with: ${lastWords === "" ? "nothing" : lastWords}`;
      return null;
    },
  };
}

function phaseOf(line: string): BackupPhase {
  return PHASE_WORDS.findLast((row) => row.words.test(line))?.phase ?? "starting";
}

/** `[00] 2026-01-31 23:59:59 `, `2026-01-31 23:59:59 0 ` and the names a program puts before its words. */
const PREFIX = /^(?:\[\d+\]\s+)?(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\s+(?:\d+\s+)?)?(?:(?:mariabackup|mariadb-backup|InnoDB|xtrabackup): )?/;

/** The words must stand at the line's head: names of tables come later in a line, and may be anything. */
function isError(line: string): boolean {
  const words = line.replace(PREFIX, "");
  if (BENIGN.some((row) => row.line.test(words))) return false;
  return /^(?:\[ERROR\]|\[FATAL\]|FATAL ERROR\b|Error\b|ERROR\b|error:|Fatal error\b|Assertion\b)/.test(words);
}
