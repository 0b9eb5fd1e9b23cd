import { HoldfastError } from "../../lib/errors.ts";
import { formatDuration } from "../../lib/units.ts";

/** Ends a backup whose tool makes others wait for too long. */
export interface LockWatch {
  /** Aborts with LOCK_TOO_LONG; never without a limit. */
  readonly signal: AbortSignal;
  /** Told after each line of the tool's log which lock it holds or waits for now. */
  look(blocking: string | null): void;
  /** The tool has ended, and its locks with it. */
  stop(): void;
}

/** One span counts from the first lock to the moment when all are released, whatever stages it has. */
export function watchLock(maxMs: number | null): LockWatch {
  const tooLong = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let stage = "";
  const stop = (): void => {
    clearTimeout(timer);
    timer = undefined;
  };
  const expire = (): void => {
    tooLong.abort(
      new HoldfastError("LOCK_TOO_LONG", `mariadb-backup was ended because it had held or awaited its backup lock for ${formatDuration(maxMs ?? 0)} (lockMax), last in ${stage}; the lock is released.`, {
        details: { lockMaxMs: maxMs, stage },
      }),
    );
  };
  return {
    signal: tooLong.signal,
    stop,
    look: (blocking) => {
      if (blocking === null) stop();
      else if (maxMs !== null) {
        stage = blocking;
        timer ??= setTimeout(expire, maxMs);
      }
    },
  };
}
