import type { Pace } from "../lib/pace.ts";
import type { Body } from "./storage.ts";

const againPaced = new WeakSet<object>();

/** An array begins anew whenever it is read; a generator or stream does not. */
export function isReadableAgain(body: Body): boolean {
  return againPaced.has(body) || (Symbol.iterator in body && (body[Symbol.iterator]() as unknown) !== body);
}

/** The same bytes at a limited speed, as often as the body itself can be read. */
export function pacedBody(body: Body, pace: Pace, signal: AbortSignal | undefined): Body {
  const paced = { [Symbol.asyncIterator]: () => pace.paced(body, signal) };
  if (isReadableAgain(body)) againPaced.add(paced);
  return paced;
}
