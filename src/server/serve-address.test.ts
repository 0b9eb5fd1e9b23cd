import { createServer, type Server } from "node:https";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { createClient, remoteTransport } from "../client/index.ts";
import { silentLog } from "../lib/log.ts";
import { certificateFingerprint, makeCertificate } from "../lib/self-made-certificate.ts";
import { route } from "../model/api/route.ts";
import { buildApp } from "./app.ts";
import type { ServerContext } from "./context.ts";
import { implement } from "./implement.ts";
import { isLoopback } from "../lib/loopback.ts";
import { parseAddress } from "../lib/address.ts";
import { serveAddress } from "./serve-address.ts";

const echo = route({ name: "echo", method: "POST", path: "/v1/echo/:word", summary: "", role: "viewer", input: z.object({ word: z.string(), more: z.string() }), output: z.object({ word: z.string(), more: z.string() }) });
const look = route({ name: "look", method: "GET", path: "/v1/look", summary: "", role: "viewer", input: z.object({ word: z.string() }), output: z.object({ word: z.string() }) });
const DAY_MS = 24 * 3_600_000;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const certificate = (): string => makeCertificate({ names: ["localhost", "127.0.0.1"], nowMs: Date.now(), validMs: DAY_MS });

async function serve(pem: string | undefined): Promise<{ port: number; seen: (string | undefined)[] }> {
  const seen: (string | undefined)[] = [];
  const door = (request: { headers: { authorization?: string | undefined } }) => {
    seen.push(request.headers.authorization);
    return Promise.resolve({ kind: "owner" } as const);
  };
  const routes = [implement(echo, (input) => Promise.resolve(input)), implement(look, (input) => Promise.resolve(input))];
  const app = buildApp(routes, {} as ServerContext, { log: silentLog, door, ...(pem === undefined ? {} : { https: { key: pem, cert: pem } }) });
  const { port, close } = await serveAddress(app, { host: "127.0.0.1", port: 0 });
  closers.push(close);
  return { port, seen };
}

describe("the API over the network", () => {
  test("is spoken to through TLS by who knows its certificate's fingerprint, however that is written", async () => {
    const pem = certificate();
    const { port, seen } = await serve(pem);
    const fingerprint = certificateFingerprint(pem).toUpperCase().replaceAll(/..(?=.)/g, "$&:");
    const client = createClient(remoteTransport({ url: `https://127.0.0.1:${String(port)}`, token: () => "secret", fingerprint }));
    expect(await client.call(echo, { word: "a/b ü", more: "x".repeat(200_000) })).toMatchObject({ word: "a/b ü" });
    expect(await client.call(look, { word: "?&=" })).toEqual({ word: "?&=" });
    expect(seen).toEqual(["Bearer secret", "Bearer secret"]);
  });

  test("nothing is sent to a server with another certificate, nor to one that nobody vouches for", async () => {
    const { port, seen } = await serve(certificate());
    const url = `https://127.0.0.1:${String(port)}`;
    const pinned = createClient(remoteTransport({ url, token: () => "secret", fingerprint: certificateFingerprint(certificate()) }));
    await expect(pinned.call(look, { word: "x" })).rejects.toMatchObject({ code: "SERVER_UNTRUSTED", message: expect.stringContaining("was expected") as string });
    const open = createClient(remoteTransport({ url, token: () => "secret" }));
    await expect(open.call(look, { word: "x" })).rejects.toMatchObject({ code: "SERVER_UNTRUSTED", message: expect.stringContaining("self-signed") as string });
    expect(seen).toEqual([]);
  });

  test("not a byte of a request reaches a stranger in the server's place", async () => {
    let received = 0;
    const pem = certificate();
    const stranger: Server = createServer({ key: pem, cert: pem });
    stranger.on("secureConnection", (socket) => socket.on("data", (chunk: Buffer) => (received += chunk.length)));
    const gone = new Promise<void>((resolve) => stranger.once("connection", (socket) => socket.once("close", () => resolve())));
    await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
    closers.push(() => new Promise((resolve) => stranger.close(resolve)));
    const { port } = stranger.address() as { port: number };
    const client = createClient(remoteTransport({ url: `https://127.0.0.1:${String(port)}`, token: () => "secret", fingerprint: certificateFingerprint(certificate()) }));
    await expect(client.call(echo, { word: "x", more: "body" })).rejects.toMatchObject({ code: "SERVER_UNTRUSTED" });
    await gone;
    expect(received).toBe(0);
  });

  test("plain HTTP is spoken where the server was told to, and a server that is gone is UNREACHABLE", async () => {
    const { port } = await serve(undefined);
    const client = createClient(remoteTransport({ url: `http://127.0.0.1:${String(port)}`, token: () => null }));
    expect(await client.call(look, { word: "x" })).toEqual({ word: "x" });
    for (const close of closers.splice(0)) await close();
    await expect(client.call(look, { word: "x" })).rejects.toMatchObject({ code: "UNREACHABLE" });
  });

  test("an address that is taken is refused with the port", async () => {
    const { port } = await serve(undefined);
    const app = buildApp([], {} as ServerContext, { log: silentLog });
    closers.push(() => app.close());
    await expect(serveAddress(app, { host: "127.0.0.1", port })).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(`port ${String(port)}: another process listens there`) as string });
  });

  test("addresses are read with their port, and only this machine's own are loopback", () => {
    expect([parseAddress("0.0.0.0:7443"), parseAddress("[::1]:80"), parseAddress("backup.example.com:7443")]).toEqual([{ host: "0.0.0.0", port: 7443 }, { host: "::1", port: 80 }, { host: "backup.example.com", port: 7443 }]);
    expect(["7443", "host", "host:70000", "::1:80", "[host]:80", "a b:1", ":1"].map(parseAddress)).toEqual([null, null, null, null, null, null, null]);
    expect(["127.0.0.1", "127.9.9.9", "::1", "localhost"].every(isLoopback)).toBe(true);
    expect(["0.0.0.0", "::", "10.0.0.1", "127.example.com", "localhost.example.com"].some(isLoopback)).toBe(false);
  });
});
