import type { Client } from "../client/client.ts";
import type { SignedRecipients } from "../model/signed-recipients.ts";

/** Which server the command line means: one far away when it names one, else the one of the configuration. */
export interface Way {
  readonly config: string;
  readonly server?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly serverFingerprint?: string | undefined;
  readonly profile?: string | undefined;
}

/** How a command shows its result: text for people, one JSON document with `--json`. */
export interface Output {
  readonly json: boolean;
  /** Final result: `text` is printed for people, `value` with --json. Called at most once. */
  result(value: unknown, text: string): void;
  /** A line for people only, on stderr, never in JSON. */
  note(line: string): void;
  /** Replaces the last progress line on a terminal; prints now and then elsewhere; nothing with --json. */
  progress(line: string): void;
}

/** Work that must happen in this process; provided by the program's root, which may import everything. */
export interface LocalActions {
  up(options: { config: string; signal: AbortSignal }): Promise<void>;
  gateway(options: { config: string; signal: AbortSignal }): Promise<void>;
  server(options: { config: string; signal: AbortSignal }): Promise<void>;
  agentRun(options: { config: string; signal: AbortSignal }): Promise<void>;
  agentJoin(options: { config: string; server: string; tokenFile: string; fingerprint: string | undefined; name: string }): Promise<{ agentId: string; name: string; pools: string[] }>;
  agentRotate(options: { config: string }): Promise<{ agentId: string; name: string }>;
  demo(options: { keep: boolean; sizeMb: number; signal: AbortSignal; output: Output }): Promise<{ rootDir: string }>;
  doctor(options: { config: string; signal: AbortSignal }): Promise<{ subject: string; status: "ok" | "warning" | "error"; message: string; remedy: string | null }[]>;
  keyholder(options: { config: string; signal: AbortSignal }): Promise<void>;
  keyGenerate(options: { path: string }): Promise<{ recipient: string; path: string }>;
  keyCeremony(options: { printer: string | undefined; from: string | undefined; signal: AbortSignal }): Promise<{ recipient: string }>;
  keyFromPaper(options: { path: string; signal: AbortSignal }): Promise<{ recipient: string; path: string }>;
  keyCheck(options: { config: string; path: string | undefined }): Promise<{ subject: string; status: "ok" | "warning" | "error"; message: string; remedy: string | null }[]>;
  keyRotate(options: { config: string; from: string; to: string; isToBeWritten: boolean }): Promise<{
    places: { field: string; line: number }[];
    isWritten: boolean;
    diagnoses: { subject: string; status: "ok" | "warning" | "error"; message: string; remedy: string | null }[];
  }>;
  keyOrganisation(options: { path: string }): Promise<{ path: string; publicKey: string; fingerprint: string }>;
  keySignRecipients(options: { keyPath: string; recipients: readonly string[]; serial: number | undefined }): Promise<SignedRecipients>;
  keyLog(options: { path: string; head: string | undefined }): Promise<{ number: number; sha256: string; at: string | null }>;
  catalogRebuild(options: { config: string; repository: string | undefined; signal: AbortSignal }): Promise<{ backups: number; segments: number; verifications: number; holds: number; refused: string[]; missing: string[] }>;
  recover(options: { config: string; repository: string; fingerprint: string; identity: string; stateDir: string; signal: AbortSignal }): Promise<{
    backups: number;
    segments: number;
    verifications: number;
    holds: number;
    refused: string[];
    missing: string[];
    configPath: string;
    stateDir: string;
    signingKeyFingerprint: string;
    stateAt: string;
    otherRepositories: string[];
  }>;
  readFile(path: string): Promise<string>;
}

export interface CommandContext {
  /** Connects on first use: to the running `up`, or, when none runs, to the same thing inside this process. */
  client(): Promise<Client>;
  /** True when that is a server far away, which knows nothing of this machine. */
  readonly isFar: boolean;
  readonly local: LocalActions;
  readonly output: Output;
  /** Width of the terminal in characters. */
  readonly columns: number;
  readonly configPath: string;
  /** How the command line names a server. */
  readonly way: Way;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  /** How often a job that is waited for is looked at. */
  readonly pollMs: number;
}

export interface OptionSpec {
  /** As commander writes it: `--to <time>`, `--json`. */
  readonly flags: string;
  readonly description: string;
  readonly default?: string | boolean | number;
  readonly choices?: readonly string[];
  readonly required?: boolean;
}

/** One command, one file. `name` is noun and verb: `backup run`. `run` gets the words of an argument that `isList`, the last one, as `list`. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** The noun alone does this. */
  readonly isDefault?: boolean;
  readonly arguments?: readonly { readonly name: string; readonly description: string; readonly optional?: boolean; readonly isList?: boolean }[];
  readonly options?: readonly OptionSpec[];
  readonly examples?: readonly string[];
  run(context: CommandContext, args: Readonly<Record<string, string | undefined>>, options: Readonly<Record<string, unknown>>, list: readonly string[]): Promise<void>;
}
