import type { Readable } from "node:stream";
import type { Clock } from "../lib/clock.ts";
import { toErrorRecord } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { passThrough } from "./pass-through.ts";
import type { ObjectLock, Storage } from "./storage.ts";

export interface TraceOptions {
  /** How the configuration calls the repository. */
  readonly repository: string;
  readonly log: Pick<Log, "debug">;
  readonly clock: Pick<Clock, "monotonicMs">;
}

/** A storage that tells the log of each call: what, of which object, how long it took, and how it failed. At the level `debug`. */
export function tracedStorage(storage: Storage, options: TraceOptions): Storage {
  const trace = new Trace(options);
  return passThrough(storage, {
    put: (key, body, putOptions) => trace.call("put", { key, sizeBytes: putOptions.sizeBytes }, () => storage.put(key, body, putOptions)),
    get: (key, getOptions) => trace.stream("get", { key, range: getOptions?.range }, () => storage.get(key, getOptions)),
    stat: (key) => trace.call("stat", { key }, () => storage.stat(key)),
    list: (prefix) => trace.listing("list", { prefix }, storage.list(prefix)),
    delete: (keys) => trace.call("delete", { keys: keys.length, first: keys[0] }, () => storage.delete(keys)),
    leftovers: (leftoverOptions) => trace.call("leftovers", {}, () => storage.leftovers(leftoverOptions)),
    ...(storage.lock === undefined ? {} : { lock: tracedLock(storage.lock, trace) }),
  });
}

function tracedLock(lock: ObjectLock, trace: Trace): ObjectLock {
  return {
    committedMs: lock.committedMs,
    state: (key) => trace.call("lock state", { key }, () => lock.state(key)),
    extend: (key, untilMs) => trace.call("lock extend", { key, untilMs }, () => lock.extend(key, untilMs)),
    hold: (key, isHeld) => trace.call("lock hold", { key, isHeld }, () => lock.hold(key, isHeld)),
    tryToBreak: (key) => trace.call("lock trial", { key }, () => lock.tryToBreak(key)),
  };
}

class Trace {
  readonly #options: TraceOptions;

  constructor(options: TraceOptions) {
    this.#options = options;
  }

  async call<T>(call: string, about: object, act: () => Promise<T>): Promise<T> {
    const end = this.#begin(call, about);
    try {
      const result = await act();
      end();
      return result;
    } catch (error) {
      end(error);
      throw error;
    }
  }

  /** A read has ended once its stream is closed. */
  async stream(call: string, about: object, open: () => Promise<Readable>): Promise<Readable> {
    const end = this.#begin(call, about);
    try {
      const stream = await open();
      return stream.once("close", () => end(stream.errored ?? undefined));
    } catch (error) {
      end(error);
      throw error;
    }
  }

  async *listing<T>(call: string, about: object, items: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    const end = this.#begin(call, about);
    let count = 0;
    try {
      for await (const item of items) {
        count += 1;
        yield item;
      }
      end(undefined, { count });
    } catch (error) {
      end(error, { count });
      throw error;
    }
  }

  #begin(call: string, about: object): (error?: unknown, more?: object) => void {
    const { repository, log, clock } = this.#options;
    const startMs = clock.monotonicMs();
    return (error, more) => {
      const tookMs = Math.round(clock.monotonicMs() - startMs);
      const failure = error === undefined ? {} : { failed: toErrorRecord(error).code };
      log.debug({ repository, call, ...about, ...more, tookMs, ...failure }, "storage call");
    };
  }
}
