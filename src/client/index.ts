export type { Client, Transport } from "./client.ts";
export { inMemoryTransport } from "./in-memory-transport.ts";
export { createClient, fillRoute } from "./create-client.ts";
export { type RemoteServer, remoteTransport, serverUrl } from "./remote-transport.ts";
export { httpTransport } from "./http-transport.ts";
