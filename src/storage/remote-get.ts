import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { delay } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import { endsWith, onGivenUp } from "../lib/given-up.ts";
import { mayRetry, pauseMs } from "../lib/retry.ts";
import type { OfferedGrant } from "../model/grant.ts";
import { checkKey } from "./keys.ts";
import { type RemoteCall, type RemotePlace, startCall } from "./remote-call.ts";
import type { GivenBytes, RemoteDialect } from "./remote-dialect.ts";

/** How often in a row nothing may come of a read that had begun. */
const RESUMES = { tries: 6, firstPauseMs: 250, maxPauseMs: 10_000 } as const;

interface Range {
  readonly start: number;
  readonly end: number;
}

/** The bytes that one answer holds. */
interface Answer extends GivenBytes {
  readonly place: RemotePlace;
  readonly call: RemoteCall;
  readonly body: IncomingMessage;
}

export interface RemoteGet {
  readonly grant: OfferedGrant;
  readonly range: Range | undefined;
  readonly signal: AbortSignal;
}

/**
 * The bytes of an object. When the connection breaks in the body, the rest is asked for from the byte that was reached;
 * bytes that have come are never asked for again.
 */
export async function getRemote(dialect: RemoteDialect, { grant, range, signal }: RemoteGet): Promise<Readable> {
  checkKey(grant.body.key);
  const givenUp = new AbortController();
  const ends = AbortSignal.any([signal, givenUp.signal]);
  const first = await open(dialect, { grant, range, signal: ends });
  const whole = range ?? { start: 0, end: first.sizeBytes };
  const stream = onGivenUp(Readable.from(bytesOf(dialect, { grant, range: whole, signal: ends }, first), { objectMode: false }), () => {
    givenUp.abort(new Error("nobody reads any more"));
    // A stream that nobody began to read holds a connection all the same.
    first.call.close();
  });
  return endsWith(stream, signal);
}

async function open(dialect: RemoteDialect, { grant, range, signal }: RemoteGet, version?: string): Promise<Answer> {
  const { place, head } = dialect.get(grant, { range, version });
  const call = startCall(place, { ...head, key: grant.body.key, signal });
  try {
    call.request.end();
    const body = await call.wait(call.answer);
    return { place, call, body, ...(await dialect.readGiven(grant, call, { response: body, range })) };
  } catch (error) {
    call.close();
    signal.throwIfAborted();
    throw error;
  }
}

async function* bytesOf(dialect: RemoteDialect, { grant, range, signal }: RemoteGet & { range: Range }, first: Answer): AsyncGenerator<Uint8Array, void, undefined> {
  let reached = range.start;
  let answer: Answer | undefined = first;
  // Bytes that come make good for failures before them: what counts is how often nothing comes.
  for (let failures = 0; reached < range.end || answer !== undefined; ) {
    try {
      answer ??= await open(dialect, { grant, range: { start: reached, end: range.end }, signal }, first.version);
      for await (const chunk of chunksOf(grant, answer)) {
        reached += chunk.byteLength;
        failures = 0;
        yield chunk;
      }
      if (reached < range.end) throw new HoldfastError("STORAGE_FAILED", `${grant.body.key} of the ${first.place.name} ended at byte ${String(reached)} of ${String(range.end)}.`);
    } catch (error) {
      signal.throwIfAborted();
      failures += 1;
      if (!mayRetry(error) || failures >= RESUMES.tries) throw error;
      await delay(pauseMs(failures, RESUMES), signal);
    } finally {
      answer?.call.close();
      answer = undefined;
    }
  }
}

async function* chunksOf(grant: OfferedGrant, { place, call, body }: Answer): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = body.iterator() as AsyncIterator<Uint8Array>;
  for (;;) {
    const next = await call.wait(iterator.next()).catch((cause: unknown) => {
      if (cause instanceof HoldfastError) throw cause;
      throw new HoldfastError("STORAGE_FAILED", `The connection to the ${place.name} broke while ${grant.body.key} was read.`, { cause });
    });
    if (next.done === true) return;
    yield next.value;
  }
}
