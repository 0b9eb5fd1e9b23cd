/**
 * Every error a person or program can meet, in one table: HTTP status, process exit code, whether the same call may
 * succeed later, and the usual remedy. `docs/errors.md` is generated from it.
 */
export const ERRORS = {
  USAGE: { status: 400, exit: 2, retry: false, hint: "See `holdfast --help`." },
  CONFIG_INVALID: { status: 422, exit: 2, retry: false, hint: "Correct the named fields and run the command again." },
  INPUT_INVALID: { status: 422, exit: 2, retry: false, hint: "Correct the named field." },
  NOT_FOUND: { status: 404, exit: 4, retry: false, hint: "List what exists with the matching `list` command." },
  METHOD_NOT_ALLOWED: { status: 405, exit: 4, retry: false, hint: "Use one of the methods that are named." },
  CONFLICT: { status: 409, exit: 5, retry: false, hint: "Look at the current state, then decide." },
  REFUSED: { status: 409, exit: 5, retry: false, hint: "Nothing was changed." },
  ALREADY_RUNNING: { status: 409, exit: 5, retry: true, hint: "Wait for the other process to end, or use its socket." },
  UNAUTHENTICATED: { status: 401, exit: 17, retry: false, hint: "Use a token that is in force: `holdfast token list` on the server shows them." },
  FORBIDDEN: { status: 403, exit: 17, retry: false, hint: "Ask an administrator for a token of the role that is named." },
  SERVER_UNTRUSTED: { status: 502, exit: 17, retry: false, hint: "Compare the fingerprint with what the server printed at its start; if it is right, pass it with --server-fingerprint." },
  TOO_MANY_REQUESTS: { status: 429, exit: 75, retry: true, hint: "Try again a little later." },
  AGENT_REFUSED: { status: 403, exit: 18, retry: false, hint: "Change what the agent's own configuration permits, on its machine, or send the work elsewhere (the instance's `pool`)." },
  AGENT_REPLACED: { status: 409, exit: 18, retry: false, hint: "One identity serves one process. See `holdfast finding list`; let the other machine join under a name of its own." },
  REQUEST_KEY_REUSED: { status: 409, exit: 5, retry: false, hint: "Send each request with an Idempotency-Key of its own; the same one only to ask again." },
  REQUEST_UNFINISHED: { status: 409, exit: 5, retry: true, hint: "Ask again a little later. If it stays so, the server stopped in between: look whether it was done, then decide." },
  LEASE_LOST: { status: 409, exit: 6, retry: false, hint: "The work was given to another attempt; nothing is lost." },
  CANCELLED: { status: 409, exit: 130, retry: false, hint: "Run the command again when you want the work done." },
  CHAIN_BROKEN: { status: 409, exit: 7, retry: false, hint: "Take a new full backup." },
  GAP: { status: 409, exit: 8, retry: false, hint: "Restore to an instant before the gap, or pass --allow-gap and accept what is lost." },
  OUT_OF_COVERAGE: { status: 422, exit: 8, retry: false, hint: "See `holdfast log coverage` for the instants that can be reached." },
  DATABASE_UNREACHABLE: { status: 502, exit: 10, retry: true, hint: "Check host, port or socket, and that the server runs." },
  DATABASE_LOGIN: { status: 502, exit: 10, retry: false, hint: "Check user and password." },
  PRIVILEGE_MISSING: { status: 422, exit: 10, retry: false, hint: "Run the GRANT that is shown." },
  DATABASE_UNSUITABLE: { status: 422, exit: 10, retry: false, hint: "Change the named setting of the server." },
  TOOL_MISSING: { status: 422, exit: 11, retry: false, hint: "Install the named program." },
  TOOL_VERSION: { status: 422, exit: 11, retry: false, hint: "Install the version of the tool that matches the server." },
  TOOL_FAILED: { status: 502, exit: 12, retry: true, hint: "Read the tool's own message." },
  STREAM_DAMAGED: { status: 502, exit: 12, retry: true, hint: "The tool's stream was cut or altered; run the backup again." },
  BUFFER_EXHAUSTED: { status: 507, exit: 12, retry: true, hint: "Speed up the repository, or raise the spool." },
  LOCK_TOO_LONG: { status: 504, exit: 12, retry: false, hint: "Find out what kept the tool waiting while it held its lock; raise `lockMax` in the policy only if the applications can wait that long." },
  HOOK_FAILED: { status: 502, exit: 12, retry: true, hint: "Read what the hook said. Its command stands in the file of the machine that ran it, under `hooks`." },
  LOG_PURGED: { status: 409, exit: 8, retry: false, hint: "Take a new full backup; raise the server's log retention." },
  LINEAGE_CHANGED: { status: 409, exit: 7, retry: false, hint: "This is not the data the chain was made of; take a new full backup." },
  OBJECT_NOT_FOUND: { status: 404, exit: 13, retry: false, hint: "Run `holdfast repository check`." },
  OBJECT_EXISTS: { status: 409, exit: 13, retry: false, hint: "Objects are written once; nothing was overwritten." },
  OBJECT_DAMAGED: { status: 502, exit: 14, retry: false, hint: "Restore from another chain or copy; run `holdfast repository check`." },
  STORAGE_FAILED: { status: 502, exit: 13, retry: true, hint: "Check the repository's place, space and permissions." },
  STORAGE_READ_ONLY: { status: 502, exit: 13, retry: false, hint: "Make the repository writable for the user Holdfast runs as." },
  STORAGE_FULL: { status: 507, exit: 13, retry: true, hint: "Free or add space where the repository lies." },
  STORAGE_REFUSED: { status: 502, exit: 13, retry: false, hint: "Check the credentials of the repository and their rights." },
  STORAGE_UNSUITABLE: { status: 422, exit: 13, retry: false, hint: "Change the bucket or the repository's options as named." },
  OBJECT_LOCKED: { status: 409, exit: 13, retry: false, hint: "Wait for the end of the lock; nobody can lift it before." },
  CLOCK_WRONG: { status: 502, exit: 13, retry: false, hint: "Set the clock of this machine and keep it right, for example with `timedatectl set-ntp true`." },
  REPOSITORY_FOREIGN: { status: 409, exit: 13, retry: false, hint: "Name this installation's own repository or an empty place. If this is your repository and only the state directory was lost, bring back `keys/` of the old state directory, then run `holdfast catalog rebuild`." },
  SIGNATURE_INVALID: { status: 422, exit: 14, retry: false, hint: "The document was not written by this installation; do not trust it." },
  FORMAT_INVALID: { status: 422, exit: 14, retry: false, hint: "The object is not what its name says; run `holdfast repository check`." },
  GRANT_INVALID: { status: 403, exit: 15, retry: false, hint: "Ask for a new grant." },
  RECIPIENT_INVALID: { status: 422, exit: 2, retry: false, hint: "A recipient begins with `age1`; make a pair with `holdfast key generate`." },
  KEY_MISSING: { status: 422, exit: 16, retry: false, hint: "Put the identity where keys.identities of the configuration says." },
  KEY_WRONG: { status: 422, exit: 16, retry: false, hint: "Name the file of the identity that the backup was encrypted to under keys.identities; the escrow identity opens it too. `holdfast key check` tells which fit." },
  RECORD_BROKEN: { status: 409, exit: 14, retry: false, hint: "Entries were altered, taken away or put in. Keep the file as evidence, find out who could write to it, and only then begin a new one: docs/keys.md says how." },
  TARGET_NOT_EMPTY: { status: 409, exit: 5, retry: false, hint: "Name an empty or new directory." },
  VERIFICATION_FAILED: { status: 422, exit: 20, retry: false, hint: "Read the report; do not rely on this backup." },
  SANDBOX_FAILED: { status: 502, exit: 21, retry: true, hint: "Read the sandbox server's log in the job." },
  TIMEOUT: { status: 504, exit: 22, retry: true, hint: "Try again." },
  AGENT_STOPPED: { status: 503, exit: 75, retry: true, hint: "The job is taken up again as soon as an agent runs." },
  KEYHOLDER_UNREACHABLE: { status: 503, exit: 75, retry: true, hint: "Start it with `holdfast keyholder`." },
  UNREACHABLE: { status: 503, exit: 75, retry: true, hint: "Start it with `holdfast up`." },
  INTERNAL: { status: 500, exit: 70, retry: false, hint: "This is a fault in Holdfast; the log holds the details." },
} as const satisfies Record<string, ErrorRow>;

export interface ErrorRow {
  /** HTTP status of an API answer that carries this error. */
  readonly status: number;
  /** Exit code of a command that ends with this error. */
  readonly exit: number;
  /** True when the same call may succeed later without anybody changing anything. */
  readonly retry: boolean;
  /** What to do next, when the place that threw did not know better. */
  readonly hint: string;
}

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorOptions {
  cause?: unknown;
  /** What to do next; replaces the table's hint. */
  hint?: string;
  /** Facts for machines; shown with `--json`, never secret. */
  details?: Record<string, unknown>;
}

/** The one error class. `message` is a whole sentence that names the thing and the value at fault. */
export class HoldfastError extends Error {
  override readonly name = "HoldfastError";
  readonly code: ErrorCode;
  readonly hint: string;
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? ERRORS[code].hint;
    this.details = options.details ?? {};
  }

  get row(): ErrorRow {
    return ERRORS[this.code];
  }
}

/** True for a HoldfastError, of the given code if one is named. */
export function isHoldfastError(error: unknown, code?: ErrorCode): error is HoldfastError {
  return error instanceof HoldfastError && (code === undefined || error.code === code);
}

/** What the system says wherever files are written: the machine's state, not a fault of the program. */
const SYSTEM_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: "STORAGE_FULL",
  EDQUOT: "STORAGE_FULL",
  EROFS: "STORAGE_READ_ONLY",
  EIO: "STORAGE_FAILED",
  EFBIG: "STORAGE_FAILED",
  EMFILE: "STORAGE_FAILED",
  ENFILE: "STORAGE_FAILED",
};

/** Any thrown value as a HoldfastError; unknown ones become INTERNAL. The original is kept as `cause`. */
export function asHoldfastError(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const systemCode = error instanceof Error && "code" in error ? String(error.code) : "";
  return new HoldfastError(SYSTEM_CODES[systemCode] ?? "INTERNAL", message, { cause: error });
}

/** How an error crosses a process boundary and is stored in the catalog. */
export interface ErrorRecord {
  code: ErrorCode;
  message: string;
  hint: string;
  details: Record<string, unknown>;
}

export function toErrorRecord(error: unknown): ErrorRecord {
  const known = asHoldfastError(error);
  return { code: known.code, message: known.message, hint: known.hint, details: known.details };
}

/** The inverse of `toErrorRecord`; a code this version does not know becomes INTERNAL. */
export function fromErrorRecord(record: { code: string; message: string; hint?: string; details?: Record<string, unknown> }): HoldfastError {
  const code: ErrorCode = record.code in ERRORS ? (record.code as ErrorCode) : "INTERNAL";
  return new HoldfastError(code, record.message, {
    ...(record.hint === undefined ? {} : { hint: record.hint }),
    ...(record.details === undefined ? {} : { details: record.details }),
  });
}
