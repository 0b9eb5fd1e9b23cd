import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { CONFIRM_PATH, OBJECT_PATH, storedAnswerSchema } from "../model/gateway-protocol.ts";
import type { SignedGrant } from "../model/grant.ts";
import { checkKey } from "./keys.ts";
import { lastOnceChecked, receivedBody } from "./received-body.ts";
import { readAnswer, type RemoteCall, type RemotePlace, startCall } from "./remote-call.ts";

type Body = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Small enough that a slow line is not taken for a silent one. */
const SLICE_BYTES = 512 * 1024;

export interface RemotePut {
  readonly grant: SignedGrant;
  readonly body: Body;
  readonly signal: AbortSignal;
}

/**
 * Sends an object. A write whose answer was lost is never guessed about: the gateway is asked, once, under the very same
 * grant, and only the same size and hash count as stored.
 */
export async function putRemote(place: RemotePlace, put: RemotePut): Promise<void> {
  const { grant, signal } = put;
  checkKey(grant.body.key);
  const state = { isSent: false };
  const call = startCall(place, { method: "PUT", path: OBJECT_PATH, grant, signal, headers: headersOf(grant) });
  try {
    if (await mayBegin(call, place.leaveMs)) {
      await send(call, put);
      state.isSent = true;
    }
    await requireStored(place, call);
  } catch (error) {
    signal.throwIfAborted();
    if (!state.isSent || call.hasAnswer()) throw error;
    await confirmLost(place, put, error);
  } finally {
    call.close();
  }
}

function headersOf({ body: { sizeBytes } }: SignedGrant): Record<string, string> {
  // Nothing is sent that the gateway refuses anyway, and no refusal is lost among bytes that nobody reads.
  return { "content-type": "application/octet-stream", "content-length": String(sizeBytes), expect: "100-continue" };
}

/** Waits for leave to send; false when the answer is there already. */
async function mayBegin(call: RemoteCall, leaveMs: number): Promise<boolean> {
  const { request, answer } = call;
  let timer: NodeJS.Timeout | undefined;
  const leave = new Promise<void>((resolve) => {
    request.once("continue", resolve);
    request.once("socket", () => {
      timer = setTimeout(resolve, leaveMs);
    });
  });
  request.flushHeaders();
  try {
    await call.wait(Promise.race([leave, answer]));
  } finally {
    clearTimeout(timer);
  }
  return !call.hasAnswer();
}

/** Sends the body, one chunk after another has gone, and the last one once the body has ended well. Stops early when the gateway answers. */
async function send(call: RemoteCall, { grant, body, signal }: RemotePut): Promise<void> {
  const { key, sizeBytes, sha256 } = grant.body;
  for await (const chunk of lastOnceChecked(receivedBody(key, body, { sizeBytes, sha256, signal }))) {
    for (let offset = 0; offset < chunk.byteLength; offset += SLICE_BYTES) {
      await call.wait(Promise.race([written(call, chunk.subarray(offset, offset + SLICE_BYTES)), call.answer]));
      if (call.hasAnswer()) return;
    }
  }
  call.request.end();
}

function written({ request }: RemoteCall, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    // A failed write is told of by the request itself.
    request.write(chunk, (error) => {
      if (error == null) resolve();
    });
  });
}

async function requireStored(place: RemotePlace, call: RemoteCall): Promise<void> {
  const response = await call.wait(call.answer);
  try {
    const answer = storedAnswerSchema.safeParse(await readAnswer(place, call, response));
    if (answer.data?.stored !== true) throw new HoldfastError("STORAGE_FAILED", `The ${place.name} does not say that it stored what it was sent.`, { cause: answer.error });
  } catch (error) {
    // Here they were right: they became something else on the way, and may arrive well another time.
    if (!isHoldfastError(error, "OBJECT_DAMAGED")) throw error;
    throw new HoldfastError("STORAGE_FAILED", `What arrived at the ${place.name} is not what was sent: ${error.message}`, { cause: error });
  }
}

async function confirmLost(place: RemotePlace, { grant, signal }: RemotePut, cause: unknown): Promise<void> {
  const isStored = await confirmRemote(place, grant, signal).catch(() => {
    signal.throwIfAborted();
    return null;
  });
  if (isStored === true) return;
  const why = isStored === null ? "and the gateway does not tell" : "and the gateway does not have it, or not yet";
  throw new HoldfastError("STORAGE_FAILED", `Whether ${grant.body.key} was stored is not known: the answer of the ${place.name} was lost, ${why}.`, { cause });
}

/** Asks whether the object of a grant to put is stored with exactly its size and hash. */
export async function confirmRemote(place: RemotePlace, grant: SignedGrant, signal: AbortSignal): Promise<boolean> {
  checkKey(grant.body.key);
  const call = startCall(place, { method: "POST", path: CONFIRM_PATH, grant, signal, headers: { "content-length": "0" } });
  try {
    call.request.end();
    const answer = storedAnswerSchema.safeParse(await readAnswer(place, call, await call.wait(call.answer)));
    if (!answer.success) throw new HoldfastError("STORAGE_FAILED", `The ${place.name} does not say whether ${grant.body.key} is stored.`, { cause: answer.error });
    return answer.data.stored;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    call.close();
  }
}
