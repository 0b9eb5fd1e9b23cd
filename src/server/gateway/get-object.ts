import type { FastifyReply, FastifyRequest } from "fastify";
import { Readable } from "node:stream";
import { HoldfastError } from "../../lib/errors.ts";
import { onGivenUp } from "../../lib/given-up.ts";
import { readGrantHeader, readRangeQuery } from "../../model/gateway-protocol.ts";
import type { GatewayPorts } from "./gateway-app.ts";
import { factsOf } from "./put-object.ts";

/** Sends an object, or a range of it, no faster than it is taken. */
export async function getObject({ served, limits, log, closing }: GatewayPorts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { grant, storage } = await served.enter(readGrantHeader(request.headers.authorization), "get");
  const range = readRangeQuery(request.query) ?? { start: 0, end: await sizeOf(storage, grant.key) };
  const stored = await storage.get(grant.key, { range, signal: closing });
  const sizeBytes = range.end - range.start;
  const body = onGivenUp(Readable.from(exactly(stored, sizeBytes, grant.key), { objectMode: false }), () => {
    stored.destroy();
  });
  body.once("error", (error) => {
    log.warn({ ...factsOf(grant), range, err: error }, "an object could not be sent to its end");
  });
  log.debug({ ...factsOf(grant), range, from: request.ip }, "read");
  // Whoever takes nothing for so long is let go.
  reply.raw.setTimeout(limits.idle, () => reply.raw.destroy());
  return reply.code(200).header("content-length", sizeBytes).type("application/octet-stream").send(body);
}

async function sizeOf(storage: { stat(key: string): Promise<{ sizeBytes: number } | null>; describe(): string }, key: string): Promise<number> {
  const found = await storage.stat(key);
  if (found !== null) return found.sizeBytes;
  throw new HoldfastError("OBJECT_NOT_FOUND", `There is no object ${key} in the ${storage.describe()}.`);
}

/** The length was said before: fewer bytes, or more, end the connection instead of passing for the object. */
async function* exactly(chunks: AsyncIterable<unknown>, sizeBytes: number, key: string): AsyncGenerator<Uint8Array, void, undefined> {
  let sentBytes = 0;
  for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
    sentBytes += chunk.byteLength;
    if (sentBytes > sizeBytes) break;
    yield chunk;
  }
  if (sentBytes !== sizeBytes) throw new HoldfastError("STORAGE_FAILED", `${key} gave ${sentBytes > sizeBytes ? "more" : "fewer"} than the ${String(sizeBytes)} bytes that were said.`);
}
