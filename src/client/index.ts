export type { Client, Transport } from "./client.ts";
export { inMemoryTransport } from "./in-memory-transport.ts";
export { createClient } from "./create-client.ts";
export { httpTransport } from "./http-transport.ts";
