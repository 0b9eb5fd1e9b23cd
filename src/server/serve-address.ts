import type { FastifyInstance } from "fastify";
import type { Address } from "../lib/address.ts";
import { HoldfastError } from "../lib/errors.ts";

/** More than this hang in the air at once: then nobody new is let in. */
const MOST_CONNECTIONS = 2_000;

/** Listens on a TCP address; CONFIG_INVALID says why that cannot be. Gives the port it got and the function that closes it. */
export async function serveAddress(app: FastifyInstance, { host, port }: Address): Promise<{ port: number; close: () => Promise<void> }> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const why = WHY[(cause as NodeJS.ErrnoException).code ?? ""] ?? (cause as Error).message;
    throw new HoldfastError("CONFIG_INVALID", `The API cannot listen on ${host} port ${String(port)}: ${why}.`, { cause, hint: "Set `listen.address` to an address of this machine and a free port." });
  }
  app.server.maxConnections = MOST_CONNECTIONS;
  const bound = app.server.address();
  return { port: typeof bound === "object" && bound !== null ? bound.port : port, close: () => app.close() };
}

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process listens there",
  EADDRNOTAVAIL: "this machine does not have that address",
  EACCES: "this user may not listen on that port",
  ENOTFOUND: "nobody knows that name",
};
