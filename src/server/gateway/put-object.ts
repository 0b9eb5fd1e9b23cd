import type { FastifyReply, FastifyRequest } from "fastify";
import { HoldfastError } from "../../lib/errors.ts";
import { formatBytes } from "../../lib/units.ts";
import type { Grant } from "../../model/grant.ts";
import { readGrantHeader } from "../../model/gateway-protocol.ts";
import type { GatewayPorts } from "./gateway-app.ts";
import { incomingBody } from "./incoming-body.ts";

/** A put that was admitted in time may go on for so long; sweeps of dead attempts wait longer. */
const OVERRUN_MS = 30 * 60_000;
/** For an answer to reach a sender who still sends. */
const LINGER_MS = 30_000;

/** Stores the object of a grant: 201 only when it survives a power cut. */
export async function putObject(ports: GatewayPorts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const state = { hasBegun: false };
  try {
    const grant = await store(ports, request, () => {
      state.hasBegun = true;
      if (expectsContinue(request)) reply.raw.writeContinue();
    });
    ports.log.info({ ...factsOf(grant), from: request.ip }, "stored");
    return await reply.code(201).send({ stored: true });
  } catch (error) {
    letSenderHear(request, reply, state.hasBegun);
    throw error;
  }
}

async function store({ served, memory, limits, closing }: GatewayPorts, request: FastifyRequest, onBegin: () => void): Promise<Grant> {
  const { grant, storage } = await served.enter(readGrantHeader(request.headers.authorization), "put");
  requireSize(request, grant, limits.objectBytes);
  const reservation = { isMade: false };
  const body = incomingBody(request.raw, {
    onBegin: () => {
      memory.quota.reserve(grant, memory.time.nowMs());
      reservation.isMade = true;
      onBegin();
    },
    onEnd: () => {
      requireInTime(grant, memory.time.nowMs());
    },
    idleMs: limits.idle,
    signal: closing,
  });
  try {
    await storage.put(grant.key, body, { sizeBytes: grant.sizeBytes, sha256: grant.sha256 });
  } catch (error) {
    if (reservation.isMade) memory.quota.giveBack(grant);
    throw error;
  }
  return grant;
}

function requireSize({ headers }: FastifyRequest, grant: Grant, limitBytes: number): void {
  if (grant.sizeBytes > limitBytes) {
    throw new HoldfastError("INPUT_INVALID", `${grant.key} has ${String(grant.sizeBytes)} bytes; this gateway takes objects of at most ${formatBytes(limitBytes)}.`, { hint: "Raise `limits.objectBytes` of the gateway if such objects are right." });
  }
  if (headers["content-length"] === String(grant.sizeBytes)) return;
  throw new HoldfastError("INPUT_INVALID", `The request for ${grant.key} says content-length: ${headers["content-length"] ?? "(none)"}, its grant ${String(grant.sizeBytes)} bytes.`);
}

function requireInTime({ key, expiresAt }: Grant, nowMs: number): void {
  if (nowMs < Date.parse(expiresAt) + OVERRUN_MS) return;
  throw new HoldfastError("GRANT_INVALID", `The bytes of ${key} took until long after its grant had expired at ${expiresAt}.`);
}

const expectsContinue = ({ headers }: FastifyRequest): boolean => headers.expect?.toLowerCase() === "100-continue";

/**
 * Who waits for leave to send has only to be told. Who sends already would be cut off by a connection that closes with
 * bytes unread, and might lose the answer: the rest is taken for a while and thrown away.
 */
function letSenderHear(request: FastifyRequest, reply: FastifyReply, hasBegun: boolean): void {
  const { raw } = request;
  if (raw.complete || raw.destroyed) return;
  if (expectsContinue(request) && !hasBegun) {
    void reply.header("connection", "close");
    return;
  }
  const timer = setTimeout(() => raw.destroy(), LINGER_MS).unref();
  raw.once("close", () => {
    clearTimeout(timer);
  });
  raw.on("error", () => undefined);
  raw.resume();
}

/** What the log says of a grant. */
export function factsOf({ grantId, operation, repository, key, attemptId, sizeBytes }: Grant): object {
  return { grantId, operation, repository, key, attemptId, sizeBytes };
}
