import { pino } from "pino";
import { readableLine } from "./readable-log.ts";

/** Structured log: fields first, then a short sentence. Secrets never go in. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: Record<string, unknown>): Log;
}

/** Of lines that wait for a full disk; more are dropped. */
const WAITING_BYTES = 1024 ** 2;

/** A JSON log to a file (made for its owner alone) or descriptor; `readable` gets every line a second time, in words for a person. */
export function createLog(options: { level: string; destination?: string | number; readable?: { write(text: string): unknown } }): Log {
  // Synchronous writing: the last lines before a kill are the ones somebody will need.
  const destination = pino.destination({ dest: options.destination ?? 2, sync: true, mkdir: true, mode: 0o600, maxLength: WAITING_BYTES });
  keepThroughFullDisks(destination, options.readable ?? process.stderr);
  const settings = { level: options.level, timestamp: pino.stdTimeFunctions.isoTime, base: null };
  const { readable } = options;
  if (readable === undefined) return pino(settings, destination);
  const person = { write: (line: string): void => void readable.write(readableLine(line)) };
  return pino(settings, pino.multistream([{ level: "trace", stream: destination }, { level: "trace", stream: person }]));
}

/**
 * A disk that is full must not end the process, which has better things to do: lines that cannot be written wait, up to
 * a limit, and go out with the first one that can. That is said once, where a person may see it.
 */
function keepThroughFullDisks(destination: ReturnType<typeof pino.destination>, person: { write(text: string): unknown }): void {
  let isFailing = false;
  destination.on("error", (error: Error) => {
    if (!isFailing) person.write(`holdfast: its log cannot be written: ${error.message}\n`);
    isFailing = true;
  });
  destination.on("write", () => (isFailing = false));
}

/** A log that keeps nothing; for tests. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};
