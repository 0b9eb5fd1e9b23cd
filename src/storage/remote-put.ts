import { HoldfastError } from "../lib/errors.ts";
import type { OfferedGrant } from "../model/grant.ts";
import { checkKey } from "./keys.ts";
import { lastOnceChecked, receivedBody } from "./received-body.ts";
import { type RemoteCall, type RemotePlace, startCall } from "./remote-call.ts";
import type { RemoteDialect } from "./remote-dialect.ts";
import type { Body } from "./storage.ts";

/** Small enough that a slow line is not taken for a silent one. */
const SLICE_BYTES = 512 * 1024;

export interface RemotePut {
  readonly grant: OfferedGrant;
  readonly body: Body;
  readonly signal: AbortSignal;
}

/**
 * Sends an object. A write whose answer was lost is never guessed about: the place is asked, once, under the very same
 * grant, and only the same size and hash count as stored.
 */
export async function putRemote(dialect: RemoteDialect, put: RemotePut): Promise<void> {
  const { grant, signal } = put;
  const { key } = grant.body;
  checkKey(key);
  const state = { isSent: false };
  const { place, head } = dialect.put(grant);
  // With the wish to wait nothing is sent that is refused anyway, and no refusal is lost among bytes that nobody reads.
  const call = startCall(place, { ...head, headers: { ...head.headers, expect: "100-continue" }, key, signal });
  try {
    if (await mayBegin(call, place.leaveMs)) {
      await send(call, put);
      state.isSent = true;
    }
    await dialect.requireStored(grant, call, await call.wait(call.answer));
  } catch (error) {
    signal.throwIfAborted();
    if (!state.isSent || call.hasAnswer()) throw error;
    await confirmLost(dialect, { place, put, cause: error });
  } finally {
    call.close();
  }
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

/** Sends the body, one chunk after another has gone, and the last one once the body has ended well. Stops early when there is an answer. */
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

async function confirmLost(dialect: RemoteDialect, { place, put, cause }: { place: RemotePlace; put: RemotePut; cause: unknown }): Promise<void> {
  const { grant, signal } = put;
  const isStored = await confirmRemote(dialect, grant, signal).catch(() => {
    signal.throwIfAborted();
    return null;
  });
  if (isStored === true) return;
  const why = isStored === null ? "and it does not tell" : "and it does not have it, or not yet";
  throw new HoldfastError("STORAGE_FAILED", `Whether ${grant.body.key} was stored is not known: the answer of the ${place.name} was lost, ${why}.`, { cause });
}

/** Asks whether the object of a grant to put is stored with exactly its size and hash. */
export async function confirmRemote(dialect: RemoteDialect, grant: OfferedGrant, signal: AbortSignal): Promise<boolean> {
  const { key } = grant.body;
  checkKey(key);
  const { place, head } = dialect.confirm(grant);
  const call = startCall(place, { ...head, key, signal });
  try {
    call.request.end();
    return await dialect.readConfirmed(grant, call, await call.wait(call.answer));
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    call.close();
  }
}
