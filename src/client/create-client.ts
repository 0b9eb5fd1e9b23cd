import { randomUUID } from "node:crypto";
import { type ErrorCode, HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { retry } from "../lib/retry.ts";
import { schemaFaults } from "../lib/schema-faults.ts";
import { api } from "../model/api/index.ts";
import type { Route } from "../model/api/route.ts";
import type { EventFilter } from "../model/event.ts";
import type { Client, Transport } from "./client.ts";

export interface ClientOptions {
  /** How often a call is sent when no answer comes back, where that does no harm: 1 unless told. */
  readonly tries?: number;
  readonly pauses?: { readonly firstPauseMs: number; readonly maxPauseMs: number };
}

const PAUSES = { firstPauseMs: 250, maxPauseMs: 2_000 };
/** What another try may help against, from here. */
const TRIED_AGAIN: readonly ErrorCode[] = ["UNREACHABLE", "TOO_MANY_REQUESTS", "REQUEST_UNFINISHED"];
const mayHelp = (error: unknown): boolean => TRIED_AGAIN.some((code) => isHoldfastError(error, code));

/** The typed client of the API over any transport. Throws what the server meant, and INTERNAL when an answer has not the promised form. */
export function createClient(transport: Transport, { tries = 1, pauses = PAUSES }: ClientOptions = {}): Client {
  const { events } = transport;
  return {
    ...(events === undefined ? {} : { events: (filter: EventFilter, signal?: AbortSignal) => events({ ...fillRoute(api.events.stream, filter), signal }) }),
    call: async (route, input, signal) => {
      const { path, query, body } = fillRoute(route, input);
      // The same key with each try: the server does it once.
      const idempotencyKey = route.once !== undefined && tries > 1 ? randomUUID() : undefined;
      const send = (): Promise<unknown> => transport.request({ method: route.method, path, query, body, idempotencyKey, signal });
      const mayRepeat = route.method === "GET" || idempotencyKey !== undefined;
      const answer = await retry(send, { tries: mayRepeat ? tries : 1, ...pauses, mayRetry: mayHelp, signal });
      const parsed = route.output.safeParse(answer);
      if (parsed.success) return parsed.data;
      const faults = schemaFaults(parsed.error, route.output, answer).map(({ field, message }) => `${field}: ${message}`);
      throw new HoldfastError("INTERNAL", `The server's answer to ${route.name} cannot be read: ${faults.join("; ")}`, {
        cause: parsed.error,
        hint: "Use a client of the server's own version.",
      });
    },
  };
}

interface FilledRoute {
  readonly path: string;
  readonly query: Record<string, string>;
  readonly body: Record<string, unknown> | undefined;
}

/** Puts the input where the route wants it: `:name` parts of the path, then query (GET, DELETE) or body. */
export function fillRoute<Input, Output>(route: Route<Input, Output>, input: Input): FilledRoute {
  const rest: Record<string, unknown> = { ...(input as Record<string, unknown>) };
  const path = route.path.replace(/:([A-Za-z]+)/g, (_, name: string) => {
    const value = rest[name];
    if (typeof value !== "string" || value === "") throw new HoldfastError("INPUT_INVALID", `${route.name} needs ${name}, which is missing.`);
    Reflect.deleteProperty(rest, name);
    return encodeURIComponent(value);
  });
  if (route.method !== "GET" && route.method !== "DELETE") return { path, query: {}, body: rest };
  const entries = Object.entries(rest).filter(([, value]) => value !== undefined && value !== null);
  return { path, query: Object.fromEntries(entries.map(([name, value]) => [name, String(value)])), body: undefined };
}
