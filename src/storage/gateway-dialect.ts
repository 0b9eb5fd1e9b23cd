import type { IncomingMessage } from "node:http";
import { fromErrorRecord, HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { jsonOrUndefined } from "../lib/json-or-undefined.ts";
import { CONFIRM_PATH, grantHeader, OBJECT_PATH, storedAnswerSchema } from "../model/gateway-protocol.ts";
import { errorRecordSchema } from "../model/scalars.ts";
import { type RemoteCall, type RemotePlace, readText } from "./remote-call.ts";
import type { RemoteDialect } from "./remote-dialect.ts";

/** What agents and a `holdfast gateway` say to each other. */
export function gatewayDialect(place: RemotePlace): RemoteDialect {
  return {
    put: (grant) => ({
      place,
      head: { method: "PUT", path: OBJECT_PATH, headers: { authorization: grantHeader(grant), "content-type": "application/octet-stream", "content-length": String(grant.body.sizeBytes) } },
    }),
    requireStored: (_grant, call, response) => requireStored(place, call, response),
    confirm: (grant) => ({ place, head: { method: "POST", path: CONFIRM_PATH, headers: { authorization: grantHeader(grant), "content-length": "0" } } }),
    readConfirmed: async (grant, call, response) => {
      const answer = storedAnswerSchema.safeParse(await readAnswer(place, call, response));
      if (!answer.success) throw new HoldfastError("STORAGE_FAILED", `The ${place.name} does not say whether ${grant.body.key} is stored.`, { cause: answer.error });
      return answer.data.stored;
    },
    get: (grant, { range }) => {
      const query = range === undefined ? "" : `?start=${String(range.start)}&end=${String(range.end)}`;
      return { place, head: { method: "GET", path: `${OBJECT_PATH}${query}`, headers: { authorization: grantHeader(grant) } } };
    },
    readGiven: async (grant, call, { response, range }) => {
      if (response.statusCode !== 200) await readAnswer(place, call, response);
      const sizeBytes = Number(response.headers["content-length"] ?? Number.NaN);
      const isAsked = Number.isSafeInteger(sizeBytes) && (range === undefined || sizeBytes === range.end - range.start);
      if (response.statusCode === 200 && isAsked) return { sizeBytes, version: undefined };
      throw new HoldfastError("STORAGE_FAILED", `The answer of the ${place.name} to a read of ${grant.body.key} makes no sense: status ${String(response.statusCode)}, length ${String(sizeBytes)}.`);
    },
  };
}

async function requireStored(place: RemotePlace, call: RemoteCall, response: IncomingMessage): Promise<void> {
  try {
    const answer = storedAnswerSchema.safeParse(await readAnswer(place, call, response));
    if (answer.data?.stored !== true) throw new HoldfastError("STORAGE_FAILED", `The ${place.name} does not say that it stored what it was sent.`, { cause: answer.error });
  } catch (error) {
    // Here they were right: they became something else on the way, and may arrive well another time.
    if (!isHoldfastError(error, "OBJECT_DAMAGED")) throw error;
    throw new HoldfastError("STORAGE_FAILED", `What arrived at the ${place.name} is not what was sent: ${error.message}`, { cause: error });
  }
}

/** The value of a good answer; throws the gateway's own error of a bad one. */
async function readAnswer(place: RemotePlace, call: RemoteCall, response: IncomingMessage): Promise<unknown> {
  const status = response.statusCode ?? 0;
  const value = jsonOrUndefined(await call.wait(readText(place.name, response)));
  if (status >= 200 && status < 300 && value !== undefined) return value;
  const parsed = errorRecordSchema.safeParse((value as { error?: unknown } | undefined)?.error);
  if (status >= 400 && parsed.success) throw fromErrorRecord(parsed.data);
  throw new HoldfastError("STORAGE_FAILED", `The answer of the ${place.name} cannot be read: status ${String(status)} and nothing that a gateway says.`, { hint: "Look whether it is a gateway of Holdfast that answers there, and what stands in between." });
}
