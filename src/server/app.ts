import type { ServerOptions } from "node:https";
import { fastify, type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { asHoldfastError, ERRORS, HoldfastError, isHoldfastError, toErrorRecord } from "../lib/errors.ts";
import type { FeedEvent } from "../control/event-feed.ts";
import type { Log } from "../lib/log.ts";
import { schemaFaults } from "../lib/schema-faults.ts";
import { answerOnce } from "../control/answer-once.ts";
import { api } from "../model/api/index.ts";
import { IDEMPOTENCY_KEY_PATTERN, type Route } from "../model/api/route.ts";
import { type Caller, identityOf, OWNER, requireRole } from "./caller.ts";
import type { ServerContext } from "./context.ts";
import { eventStream, Listeners } from "./event-stream.ts";
import type { Call, Implementation } from "./implement.ts";
import { noSuchRoute } from "./route-table.ts";
import { DOCUMENT_PATHS, serveDocuments } from "./serve-documents.ts";
import { refuseUnreadable } from "./unreadable-request.ts";

export const BODY_LIMIT_BYTES = 32 * 1024 * 1024;
/** Of who has shown no token. */
const STRANGERS_BODY_LIMIT_BYTES = 16 * 1024;

/** Finds out who calls, from what stands before the body; throws when that is nobody who may. */
export type Door = (request: FastifyRequest) => Promise<Caller>;

export interface AppOptions {
  readonly log: Log;
  /** The owner's unless told. */
  readonly door?: Door;
  /** For HTTPS. */
  readonly https?: ServerOptions;
}

/** For an application that only the owner reaches: in memory, or over the socket. */
const ownersDoor: Door = () => Promise.resolve(OWNER);

const callers = new WeakMap<FastifyRequest, Caller>();

/**
 * The API as an HTTP application: every input is checked by its route's schema, every answer too, and every error
 * leaves as `{ error: ErrorRecord }` with the status of the error table. Causes and stacks go to the log only. A caller
 * whose role is not what the route asks for is refused before the body is read.
 */
export function buildApp(implementations: readonly Implementation[], context: ServerContext, { log, door = ownersDoor, ...options }: AppOptions): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    routerOptions: { maxParamLength: 200 },
    frameworkErrors: (error, request, reply) => {
      sendError(translate(error), { request, reply, log });
    },
    clientErrorHandler: refuseUnreadable,
    // Names that JavaScript would take for its own mean nothing here, like every other name that no schema has.
    onProtoPoisoning: "remove",
    onConstructorPoisoning: "remove",
    ...options,
  });
  app.setErrorHandler((error: FastifyError, request, reply) => sendError(translate(error), { request, reply, log }));
  const table = [...implementations.map(({ route }) => route), ...DOCUMENT_PATHS];
  // Before a body is asked for.
  app.addHook("onRequest", async (request, reply) => {
    if (!request.is404) return;
    const { error, allow } = noSuchRoute(table, request.method, request.url);
    if (allow !== null) reply.header("allow", allow);
    await sendError(error, { request, reply, log });
  });
  serveDocuments(app, {
    version: context.version,
    onRequest: async (request) => {
      await door(request);
    },
  });
  const closing = new AbortController();
  app.addHook("preClose", () => {
    closing.abort(new HoldfastError("CANCELLED", "The server stops."));
    return Promise.resolve();
  });
  const listeners = new Listeners();
  for (const implementation of implementations) addRoute(app, implementation, { context, door, listeners, closing: closing.signal });
  return app;
}

/** Names of API routes that no implementation serves. */
export function missingRoutes(implementations: readonly Implementation[]): string[] {
  const served = new Set(implementations.map(({ route }) => route.name));
  return Object.values(api)
    .flatMap((noun) => Object.values(noun).map((route: { name: string }) => route.name))
    .filter((name) => !served.has(name));
}

interface Served {
  readonly context: ServerContext;
  readonly door: Door;
  readonly listeners: Listeners;
  /** Aborts when the application closes. */
  readonly closing: AbortSignal;
}

function addRoute(app: FastifyInstance, { route, handle }: Implementation, { context, door, listeners, closing }: Served): void {
  app.route({
    method: route.method,
    url: route.path,
    ...(route.role === "anyone" ? { bodyLimit: STRANGERS_BODY_LIMIT_BYTES } : {}),
    onRequest: async (request) => {
      const caller = await door(request);
      requireRole(caller, route);
      callers.set(request, caller);
    },
    handler: async (request, reply) => {
      const input = parseInput(route, inputOf(request));
      const caller = callers.get(request) ?? { kind: "anyone" };
      const call: Call = { caller, lastEventId: request.headers["last-event-id"], admit: async () => requireRole(await door(request), route), signal: AbortSignal.any([callerGone(reply), closing]) };
      if (route.answers === "event-stream") {
        const end = listeners.begin(identityOf(caller));
        const feed = (await handle(input, context, call).catch((error: unknown) => {
          end();
          throw error;
        })) as AsyncIterable<FeedEvent>;
        return reply.type("text/event-stream").header("cache-control", "no-store").send(eventStream(feed, end));
      }
      const act = async (): Promise<unknown> => checkOutput(route, await handle(input, context, call));
      const key = route.once === undefined ? null : idempotencyKey(request);
      if (key === null) return reply.send(await act());
      const keyed = { caller: identityOf(caller), key, route: route.name, input, isKept: route.once === "answer" };
      return reply.send(await answerOnce(context.dispatcher.ports, keyed, act));
    },
  });
}

/** Null without the header; INPUT_INVALID when it is none that could be meant. */
function idempotencyKey({ headers }: FastifyRequest): string | null {
  const key = headers["idempotency-key"];
  if (key === undefined) return null;
  if (typeof key === "string" && IDEMPOTENCY_KEY_PATTERN.test(key)) return key;
  throw new HoldfastError("INPUT_INVALID", "The Idempotency-Key must be 1 to 255 printable ASCII characters without spaces.");
}

/** Path parameters win over everything else: a body cannot speak about another object than its path. */
function inputOf(request: FastifyRequest): Record<string, unknown> {
  const { body } = request;
  if (body !== undefined && (typeof body !== "object" || body === null || Array.isArray(body))) {
    throw new HoldfastError("INPUT_INVALID", "The body of the request is not a JSON object.");
  }
  return { ...(request.query as object), ...body, ...(request.params as object) };
}

function parseInput(route: Route<unknown, unknown>, raw: Record<string, unknown>): unknown {
  const parsed = route.input.safeParse(raw);
  if (parsed.success) return parsed.data;
  const faults = schemaFaults(parsed.error, route.input, raw).map(({ field, message }) => `${field === "" ? "input" : field}: ${message}`);
  throw new HoldfastError("INPUT_INVALID", `Not accepted: ${faults.join("; ")}.`, { details: { faults } });
}

function checkOutput(route: Route<unknown, unknown>, output: unknown): unknown {
  const parsed = route.output.safeParse(output);
  if (parsed.success) return parsed.data;
  const faults = schemaFaults(parsed.error, route.output, output).map(({ field, message }) => `${field}: ${message}`);
  throw new HoldfastError("INTERNAL", `The answer of ${route.name} has not the form that the API promises: ${faults.join("; ")}`, { cause: parsed.error });
}

/** Aborts when the connection closes before the answer was sent. */
function callerGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => {
    if (!reply.raw.writableEnded) gone.abort(new HoldfastError("CANCELLED", "The caller went away before the answer was ready."));
  });
  return gone.signal;
}

/** Faults of the request itself, as the framework found them (bad JSON, body too large), become INPUT_INVALID. */
function translate(error: FastifyError | Error): HoldfastError {
  if (isHoldfastError(error)) return error;
  const { statusCode } = error as FastifyError;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new HoldfastError("INPUT_INVALID", `The request is refused: ${error.message}.`, { cause: error });
  }
  return asHoldfastError(error);
}

function sendError(error: HoldfastError, at: { request: FastifyRequest; reply: FastifyReply; log: Log }): FastifyReply {
  const { status } = ERRORS[error.code];
  const fields = { method: at.request.method, url: at.request.url, code: error.code, err: error };
  if (error.code === "INTERNAL") at.log.error(fields, "request failed");
  else at.log.info(fields, "request refused");
  return at.reply.code(status).send({ error: toErrorRecord(error) });
}
