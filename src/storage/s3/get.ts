import { GetObjectCommand, type GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { addAbortSignal, Readable } from "node:stream";
import { delay } from "../../lib/clock.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { endsWith, onGivenUp } from "../../lib/given-up.ts";
import { mayRetry, pauseMs } from "../../lib/retry.ts";
import { checkRange, holdsBytes } from "../keys.ts";
import { REQUEST_RETRIES } from "../requests.ts";
import type { GetOptions } from "../storage.ts";
import { contentRangeFrom, rangeHeader } from "./answer-headers.ts";
import { isStatus, s3Error } from "./errors.ts";
import { headObject } from "./head.ts";
import { ask, type S3Place, within } from "./place.ts";

interface Range {
  readonly start: number;
  readonly end: number;
}

/** The bytes that one answer holds, and of which object they are. */
interface Answer {
  readonly body: Readable;
  readonly range: Range;
  readonly etag: string | undefined;
}

/**
 * The bytes of an object. When the connection breaks in the body, the rest is asked for from the byte that was reached,
 * of the very same object; bytes that have come are never asked for again.
 */
export async function getObject(place: S3Place, key: string, { range, signal }: GetOptions = {}): Promise<Readable> {
  place.keyOf(key);
  signal?.throwIfAborted();
  if (range !== undefined && !holdsBytes(range)) {
    await checkAgainstSize(place, key, { range, signal });
    return Readable.from([], { objectMode: false });
  }
  const first = await ask(place, { action: "read", name: place.nameOf(key), signal }, () => open(place, key, { range, signal }));
  const givenUp = new AbortController();
  const ends = signal === undefined ? givenUp.signal : AbortSignal.any([signal, givenUp.signal]);
  const stream = onGivenUp(Readable.from(bytesOf(place, key, first, ends), { objectMode: false }), () => {
    givenUp.abort(new Error("nobody reads any more"));
    // A stream that nobody began to read holds a connection all the same.
    first.body.destroy();
  });
  return endsWith(stream, signal);
}

/** A range that asks for nothing, or for nonsense: the object must be there all the same. */
async function checkAgainstSize(place: S3Place, key: string, { range, signal }: { range: Range; signal: AbortSignal | undefined }): Promise<void> {
  const found = await headObject(place, key, { signal });
  if (found === null) throw notFound(place, key);
  checkRange(key, range, found.sizeBytes);
}

function notFound(place: S3Place, key: string, cause?: unknown): HoldfastError {
  return new HoldfastError("OBJECT_NOT_FOUND", `There is no object ${place.nameOf(key)}.`, { cause });
}

async function open(place: S3Place, key: string, want: { range?: Range | undefined; etag?: string | undefined; signal: AbortSignal | undefined }): Promise<Answer> {
  const { range, etag, signal } = want;
  const command = new GetObjectCommand({
    Bucket: place.bucket,
    Key: place.keyOf(key),
    ...(range === undefined ? {} : { Range: rangeHeader(range) }),
    ...(etag === undefined ? {} : { IfMatch: etag }),
  });
  try {
    const answer = await place.client.send(command, within(signal));
    return await checkAnswer(place, key, answer, range);
  } catch (error) {
    if (isStatus(error, 416) && range !== undefined) await checkAgainstSize(place, key, { range, signal });
    if (isStatus(error, 412)) throw new HoldfastError("OBJECT_DAMAGED", `${place.nameOf(key)} was replaced while it was read.`, { cause: error });
    throw error;
  }
}

async function checkAnswer(place: S3Place, key: string, answer: GetObjectCommandOutput, wanted: Range | undefined): Promise<Answer> {
  const body = answer.Body as Readable | undefined;
  // Whoever reads hears of it; between here and there nobody does.
  body?.on("error", () => undefined);
  const sizeBytes = answer.ContentLength;
  if (body === undefined || sizeBytes === undefined) throw senseless(place, key, "it has no body or no length", body);
  if (wanted === undefined) return { body, range: { start: 0, end: sizeBytes }, etag: answer.ETag };
  const given = contentRangeFrom(answer.ContentRange);
  if (given === null) {
    if (wanted.start === 0 && wanted.end === sizeBytes) return { body, range: wanted, etag: answer.ETag };
    throw senseless(place, key, "it is the whole object where a part of it was asked for", body);
  }
  if (wanted.end > given.totalBytes) body.destroy();
  checkRange(key, wanted, given.totalBytes);
  if (given.start === wanted.start && given.end === wanted.end && sizeBytes === wanted.end - wanted.start) return { body, range: wanted, etag: answer.ETag };
  throw senseless(place, key, `it holds ${String(answer.ContentRange)}`, body);
}

function senseless(place: S3Place, key: string, what: string, body: Readable | undefined): HoldfastError {
  body?.destroy();
  return new HoldfastError("STORAGE_FAILED", `The answer to a read of ${place.nameOf(key)} makes no sense: ${what}.`);
}

async function* bytesOf(place: S3Place, key: string, first: Answer, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  const { range, etag } = first;
  let reached = range.start;
  let answer: Answer | undefined = first;
  // Bytes that come make good for failures before them: what counts is how often nothing comes.
  for (let failures = 0; reached < range.end; ) {
    try {
      answer ??= await place.send(() => open(place, key, { range: { start: reached, end: range.end }, etag, signal }), { signal, isTriedOnce: true });
      for await (const chunk of addAbortSignal(signal, answer.body)) {
        const { byteLength } = chunk as Uint8Array;
        if (reached + byteLength > range.end) throw new HoldfastError("STORAGE_FAILED", `More bytes than asked for came of ${place.nameOf(key)}.`);
        reached += byteLength;
        failures = 0;
        yield chunk as Uint8Array;
      }
      if (reached < range.end) throw new HoldfastError("STORAGE_FAILED", `${place.nameOf(key)} ended at byte ${String(reached)} of ${String(range.end)}.`);
    } catch (error) {
      signal.throwIfAborted();
      failures += 1;
      const told = s3Error(error, "read", place.nameOf(key));
      if (!mayRetry(told) || failures >= REQUEST_RETRIES.tries) throw told;
      await delay(pauseMs(failures, REQUEST_RETRIES), signal);
    } finally {
      answer?.body.destroy();
      answer = undefined;
    }
  }
}
