import { createHash } from "node:crypto";
import { beginAnswer, findAnswer, finishAnswer, forgetAnswer, forgetAnswersBefore } from "../catalog/given-answers.ts";
import { readTrusted } from "../catalog/json-column.ts";
import { canonicalJson } from "../lib/canonical-json.ts";
import { isoTime } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { ControlPorts } from "./ports.ts";

type Ports = Pick<ControlPorts, "catalog" | "clock">;

const KEPT_MS = 24 * 3_600_000;

/** A request that may come twice, because its first answer was lost. */
export interface KeyedRequest {
  /** Who calls; the keys of two callers have nothing to do with each other. */
  readonly caller: string;
  readonly key: string;
  readonly route: string;
  readonly input: unknown;
  /** False where the answer holds a secret, which the catalog never does: a second request is then told that the first was done. */
  readonly isKept: boolean;
}

/**
 * Does something once for each key, for a day: the same request again gets the answer of the first one. Throws
 * REQUEST_KEY_REUSED when another request comes with the key, and REQUEST_UNFINISHED while the first is under way, or when
 * it is not known how it ended because the server stopped. What ended with an error was not done, and may be tried again.
 */
export async function answerOnce<T>(ports: Ports, request: KeyedRequest, act: () => Promise<T>): Promise<T> {
  const { db } = ports.catalog;
  const nowMs = ports.clock.nowMs();
  const id = sha256(canonicalJson([request.caller, request.key]));
  const requestSha256 = sha256(canonicalJson([request.route, request.input]));
  if (!(await beginAnswer(db, { id, requestSha256, beganAtMs: nowMs }, nowMs - KEPT_MS))) return (await givenBefore(ports, { id, requestSha256 }, request)) as T;
  const answer = await act().catch(async (error: unknown) => {
    await forgetAnswer(db, id);
    throw error;
  });
  await finishAnswer(db, id, request.isKept ? JSON.stringify(answer) : null);
  return answer;
}

/** Of requests older than a day nothing is known any more. */
export async function forgetOldAnswers({ catalog, clock }: Ports): Promise<void> {
  await forgetAnswersBefore(catalog.db, clock.nowMs() - KEPT_MS);
}

async function givenBefore(ports: Ports, { id, requestSha256 }: { id: string; requestSha256: string }, { key, route }: KeyedRequest): Promise<unknown> {
  const given = await findAnswer(ports.catalog.db, id);
  const named = `Idempotency-Key ${JSON.stringify(key)}`;
  // It failed in this very moment.
  if (given === null) throw new HoldfastError("REQUEST_UNFINISHED", `The request ${route} with the ${named} has just ended with an error.`);
  const at = isoTime(given.beganAtMs);
  if (given.requestSha256 !== requestSha256) throw new HoldfastError("REQUEST_KEY_REUSED", `Another request came with the ${named} at ${at}.`);
  if (given.isDone === 0) throw new HoldfastError("REQUEST_UNFINISHED", `The request ${route} with the ${named}, begun at ${at}, has not ended.`);
  if (given.answer === null) throw new HoldfastError("CONFLICT", `The request ${route} with the ${named} was done at ${at}; its answer held a secret, which is not kept.`, { hint: "List what was made, revoke it, and make another with a new key." });
  return readTrusted(given.answer, "givenAnswer.answer");
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
