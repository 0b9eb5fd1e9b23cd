import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { createClient, httpTransport } from "../client/index.ts";
import { HoldfastError } from "../lib/errors.ts";
import { silentLog } from "../lib/log.ts";
import { route } from "../model/api/route.ts";
import { buildApp } from "./app.ts";
import type { ServerContext } from "./context.ts";
import { implement } from "./implement.ts";
import { answers, serveSocket } from "./serve-socket.ts";

const greet = route({ name: "greet", method: "POST", path: "/v1/greet/:name", summary: "", role: "viewer", input: z.object({ name: z.string(), mood: z.string() }), output: z.object({ text: z.string() }) });
const look = route({ name: "look", method: "GET", path: "/v1/look", summary: "", role: "viewer", input: z.object({ all: z.stringbool().default(false) }), output: z.object({ all: z.boolean() }) });

let dir: string;
let socketPath: string;
const closers: (() => Promise<void>)[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-"));
  socketPath = join(dir, "holdfast.sock");
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await rm(dir, { recursive: true, force: true });
});

async function serve({ onBegun, onGone }: { onBegun?: () => void; onGone?: () => void } = {}): Promise<() => Promise<void>> {
  const app = buildApp(
    [
      implement(greet, ({ name, mood }, _context, { signal }) => {
        if (mood === "bad") throw new HoldfastError("REFUSED", `${name} is not greeted.`, { hint: "Come back tomorrow." });
        if (mood !== "slow") return Promise.resolve({ text: `hello ${name}` });
        return new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            onGone?.();
            reject(signal.reason as Error);
          });
          onBegun?.();
        });
      }),
      implement(look, (input) => Promise.resolve(input)),
    ],
    {} as ServerContext,
    { log: silentLog },
  );
  const close = await serveSocket(app, socketPath);
  closers.push(close);
  return close;
}

describe("the API over a Unix socket", () => {
  test("a call and its answer go over the socket, names with odd characters included", async () => {
    await serve();
    const client = createClient(httpTransport(socketPath));
    expect(await client.call(greet, { name: "a/b?c=ü 🚢", mood: "good" })).toEqual({ text: "hello a/b?c=ü 🚢" });
    expect(await client.call(look, { all: true })).toEqual({ all: true });
  });

  test("an error arrives as the server meant it", async () => {
    await serve();
    const call = createClient(httpTransport(socketPath)).call(greet, { name: "ann", mood: "bad" });
    await expect(call).rejects.toMatchObject({ name: "HoldfastError", code: "REFUSED", message: "ann is not greeted.", hint: "Come back tomorrow." });
  });

  test("only the owner may open the socket, and nothing is left of it after closing", async () => {
    const close = await serve();
    expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
    await close();
    expect(await readdir(dir)).toEqual([]);
  });

  test("nobody listening is UNREACHABLE, with and without a socket file", async () => {
    const client = createClient(httpTransport(socketPath));
    await expect(client.call(look, { all: false })).rejects.toMatchObject({ code: "UNREACHABLE" });
    leaveStaleSocket();
    await expect(client.call(look, { all: false })).rejects.toMatchObject({ code: "UNREACHABLE" });
  });

  test("the socket of a dead process is replaced", async () => {
    leaveStaleSocket();
    expect(await readdir(dir)).toEqual(["holdfast.sock"]);
    await serve();
    expect(await answers(socketPath)).toBe(true);
  });

  test("the socket of a living process is left alone", async () => {
    await serve();
    await expect(serve()).rejects.toMatchObject({ code: "ALREADY_RUNNING" });
    expect(await answers(socketPath)).toBe(true);
  });

  test("a path that is too long for a socket is refused with its length", async () => {
    socketPath = join(dir, "x".repeat(100), "holdfast.sock");
    await expect(serve()).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("at most 100") as string });
  });

  test("a caller that goes away ends the work done for it", async () => {
    let gone = 0;
    const caller = new AbortController();
    const onBegun = (): void => caller.abort(new HoldfastError("CANCELLED", "Ctrl-C."));
    await serve({ onBegun, onGone: () => (gone += 1) });
    const call = createClient(httpTransport(socketPath)).call(greet, { name: "ann", mood: "slow" }, caller.signal);
    await expect(call).rejects.toMatchObject({ code: "CANCELLED", message: "Ctrl-C." });
    await expect.poll(() => gone).toBe(1);
  });
});

/** A process that is killed leaves its socket file behind. */
function leaveStaleSocket(): void {
  const script = `require("node:net").createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, "SIGKILL"))`;
  const result = spawnSync(process.execPath, ["-e", script]);
  expect(result.signal).toBe("SIGKILL");
}
