import { fastify, type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { createServer as createHttpServer, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Duplex } from "node:stream";
import { asHoldfastError, ERRORS, HoldfastError, isHoldfastError, toErrorRecord } from "../../lib/errors.ts";
import type { Log } from "../../lib/log.ts";
import { CONFIRM_PATH, HEADERS_LIMIT_BYTES, OBJECT_PATH, readGrantHeader } from "../../model/gateway-protocol.ts";
import { isStored } from "../../storage/grant-door.ts";
import { getObject } from "./get-object.ts";
import type { GatewayMemory } from "./memory.ts";
import { putObject } from "./put-object.ts";
import type { ServedRepositories } from "./served-repositories.ts";

const HEADERS_TIMEOUT_MS = 20_000;
const KEEP_ALIVE_MS = 60_000;
const CONNECTIONS_AT_MOST = 2_048;

/** Everything the gateway works with. */
export interface GatewayPorts {
  readonly served: ServedRepositories;
  readonly memory: GatewayMemory;
  readonly limits: GatewayLimits;
  readonly log: Log;
  /** Ends what still runs when the gateway stops. */
  readonly closing: AbortSignal;
}

export interface GatewayLimits {
  /** Of one object. */
  readonly objectBytes: number;
  /** Milliseconds without a byte, after which a sender or reader is let go. */
  readonly idle: number;
}

/** Certificate with its chain, and private key, as PEM. */
export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
}

/**
 * The repository gateway as an HTTP application: one object goes in or out for one signed grant. There is no call that
 * lists, overwrites or deletes. Errors leave as `{ error: ErrorRecord }` with the status of the error table, and each
 * one stands in the log.
 */
export function buildGateway(ports: GatewayPorts, tls: TlsFiles | undefined): FastifyInstance {
  const app = fastify({
    logger: false,
    serverFactory: (handler) => createServer(handler, tls),
    clientErrorHandler: (error, socket) => refuseUnread(error, socket, ports.log),
  });
  let isStopping = false;
  app.addHook("preClose", async () => {
    isStopping = true;
  });
  // A connection that stayed open behind its answer would hold up the end of the process.
  app.addHook("onSend", async (_request, reply) => {
    if (isStopping) void reply.header("connection", "close");
  });
  // Bodies are streams of their receiver, whatever they say they are.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => {
    done(null);
  });
  app.setErrorHandler((error: FastifyError, request, reply) => sendError(translate(error), { request, reply, log: ports.log }));
  app.setNotFoundHandler((request, reply) => {
    const message = `The gateway has no call ${request.method} ${request.url.split("?")[0] ?? ""}: objects are put and read with a grant, never listed, changed or deleted.`;
    return sendError(new HoldfastError("NOT_FOUND", message, { hint: "Use an agent of the gateway's own version." }), { request, reply, log: ports.log });
  });
  app.put(OBJECT_PATH, (request, reply) => putObject(ports, request, reply));
  app.route({ method: "GET", url: OBJECT_PATH, exposeHeadRoute: false, handler: (request, reply) => getObject(ports, request, reply) });
  app.post(CONFIRM_PATH, async (request, reply) => {
    const entered = await ports.served.enter(readGrantHeader(request.headers.authorization), "put");
    return reply.send({ stored: await isStored(entered, ports.closing) });
  });
  return app;
}

function createServer(handler: Parameters<typeof createHttpServer>[1] & object, tls: TlsFiles | undefined): Server {
  // Bodies may take as long as bytes come; headers may not.
  const options = { maxHeaderSize: HEADERS_LIMIT_BYTES, headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS };
  const server =
    tls === undefined
      ? createHttpServer(options, handler)
      : (createHttpsServer({ ...options, cert: tls.certificate, key: tls.key, minVersion: "TLSv1.2", handshakeTimeout: HEADERS_TIMEOUT_MS }, handler) as unknown as Server);
  server.maxConnections = CONNECTIONS_AT_MOST;
  // Leave to send is given by whoever has looked at the grant.
  server.on("checkContinue", (request, response) => server.emit("request", request, response));
  return server;
}

/** Faults of the request itself, as the framework found them, become INPUT_INVALID. */
function translate(error: FastifyError | Error): HoldfastError {
  if (isHoldfastError(error)) return error;
  const { statusCode } = error as FastifyError;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return new HoldfastError("INPUT_INVALID", `The request is refused: ${error.message}.`, { cause: error });
  return asHoldfastError(error);
}

function sendError(error: HoldfastError, at: { request: FastifyRequest; reply: FastifyReply; log: Log }): FastifyReply {
  const { request, reply, log } = at;
  const fields = { method: request.method, url: request.url, from: request.ip, code: error.code, ...grantFacts(request), err: error };
  if (error.code === "INTERNAL") log.error(fields, "request failed");
  else log.warn(fields, "refused");
  return reply.code(ERRORS[error.code].status).send({ error: toErrorRecord(error) });
}

/** What the request's grant says, true or not: whoever looks into it later wants to know. */
function grantFacts({ headers }: FastifyRequest): object {
  try {
    const { grantId, operation, repository, key, attemptId } = readGrantHeader(headers.authorization).body;
    return { claims: { grantId, operation, repository, key, attemptId } };
  } catch {
    return {};
  }
}

/** Who went away in the middle hears nothing, and whoever waited for the rest has said so. */
const GONE = new Set(["ECONNRESET", "HPE_INVALID_EOF_STATE"]);

/** What could not even be read as a request: too long, or no HTTP. */
function refuseUnread(cause: Error & { code?: string }, socket: Duplex, log: Log): void {
  if (GONE.has(cause.code ?? "") || !socket.writable) {
    socket.destroy();
    return;
  }
  const error = new HoldfastError("INPUT_INVALID", `The request cannot be read: ${cause.code ?? cause.message}.`, { hint: `The headers of a request may have ${String(HEADERS_LIMIT_BYTES)} bytes.` });
  log.warn({ code: error.code, err: cause }, "refused");
  const text = JSON.stringify({ error: toErrorRecord(error) });
  socket.end(`HTTP/1.1 ${String(error.row.status)} Unprocessable Content\r\ncontent-type: application/json\r\ncontent-length: ${String(Buffer.byteLength(text))}\r\nconnection: close\r\n\r\n${text}`);
}
