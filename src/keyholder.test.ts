import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openable } from "../test/fixtures/grants.ts";
import { keyholderPaths, startKeyholder } from "./keyholder.ts";
import { makeDir } from "./state-dir.ts";
import type { KeyholderConfig } from "./config/keyholder-config.ts";
import { generateKeyPair, type KeyPair, writeIdentityFile } from "./keys/identities.ts";
import { OPEN_PATH } from "./keys/keyholder-calls.ts";
import { checkReleaseLog } from "./keys/release-log.ts";
import { type RemoteKeyholder, remoteKeyholder } from "./keys/remote-keyholder.ts";
import { type Clock, isoTime, systemClock } from "./lib/clock.ts";
import { silentLog } from "./lib/log.ts";
import { generateSigningKey, signerFrom } from "./lib/signing.ts";
import type { Grant } from "./model/grant.ts";

const T0 = Date.UTC(2026, 5, 1);
const ONCE = { tries: 1, firstPauseMs: 1, maxPauseMs: 1 };
const signer = signerFrom(generateSigningKey());

let folder: string;
let pair: KeyPair;
let config: KeyholderConfig;
let time: { wallMs: number; monotonicMs: number };
let clock: Clock;
let client: RemoteKeyholder;
let running: { stop(): Promise<void> }[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hf-kp-"));
  pair = await generateKeyPair();
  await writeIdentityFile(join(folder, "daily.key"), pair, systemClock);
  const stateDir = join(folder, "state");
  await makeDir(stateDir, 0o700);
  config = { stateDir, logLevel: "info", identities: [join(folder, "daily.key")], signingKey: signer.publicKey, socket: { path: join(folder, "k.sock") }, limits: { keysPerMinute: 1_000, attemptKeysPerMinute: 500 } };
  time = { wallMs: T0, monotonicMs: 0 };
  clock = { nowMs: () => time.wallMs, monotonicMs: () => time.monotonicMs };
  client = remoteKeyholder({ socket: join(folder, "k.sock") }, ONCE);
  running = [];
});
afterEach(async () => {
  for (const each of running) await each.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(changes: Partial<KeyholderConfig> = {}): Promise<{ stop(): Promise<void> }> {
  const keyholder = await startKeyholder({ config: { ...config, ...changes }, log: silentLog, clock });
  running.push(keyholder);
  return keyholder;
}
const pass = (ms: number): void => {
  time.wallMs += ms;
  time.monotonicMs += ms;
};
const granted = (more: Partial<Grant> = {}, by = signer, nowMs = T0) => openable([pair.recipient], { signer: by, nowMs, ...more });
const entries = async (): Promise<Record<string, unknown>[]> =>
  (await readFile(keyholderPaths(config.stateDir).releases, "utf8")).split("\n").slice(0, -1).map((line) => JSON.parse(line) as Record<string, unknown>);

/** Sends a body as it is. */
function post(body: string | Buffer, path = OPEN_PATH): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: join(folder, "k.sock"), method: "POST", path, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    call.on("error", reject);
    call.end(body);
  });
}

describe("the keyholder's process", () => {
  test("gives the keys of the packs that were granted, and writes each down before", async () => {
    await start();
    const [a, b] = [await granted({ key: "a" }), await granted({ key: "b" })];
    expect(await client.open([a, b])).toEqual([Buffer.from(a.fileKey), Buffer.from(b.fileKey)]);
    expect(await entries()).toMatchObject([{ event: "started" }, { number: 2, event: "released", key: "a", grantId: a.grant.body.grantId, from: "socket" }, { number: 3, event: "released", key: "b" }]);
    const kept = await readFile(keyholderPaths(config.stateDir).releases, "utf8");
    for (const secret of [pair.identity, Buffer.from(a.fileKey).toString("base64"), Buffer.from(a.fileKey).toString("hex")]) expect(kept).not.toContain(secret);
  });

  test("tells whom it serves, and whose grants it believes", async () => {
    await start();
    expect(await client.held()).toEqual({ recipients: [pair.recipient], now: isoTime(T0), signingKeyFingerprint: signer.fingerprint });
  });

  test.each<[string, string, () => ReturnType<typeof granted>]>([
    ["to write", "GRANT_INVALID", () => granted({ operation: "put" })],
    ["to read alone", "GRANT_INVALID", () => granted({ headerSha256: undefined })],
    ["that has expired", "GRANT_INVALID", () => granted({ expiresAt: isoTime(T0) })],
    ["signed by another server", "GRANT_INVALID", () => granted({}, signerFrom(generateSigningKey()))],
    ["that was altered", "GRANT_INVALID", async () => { const { grant, ...rest } = await granted(); return { ...rest, grant: { ...grant, body: { ...grant.body, expiresAt: isoTime(T0 + 9e9) } } }; }],
    ["for another pack", "KEY_WRONG", async () => ({ ...(await granted()), header: (await granted()).header })],
    ["for a pack of another key", "KEY_WRONG", async () => openable([(await generateKeyPair()).recipient], { signer, nowMs: T0 })],
  ])("refuses a grant %s, and writes that down", async (_what, code, make) => {
    await start();
    const asked = await make();
    await expect(client.open([asked])).rejects.toMatchObject({ code });
    expect((await entries()).slice(1)).toMatchObject([{ event: "refused", grantId: asked.grant.body.grantId, error: { code } }]);
  });

  test("gives no key of a call when one of its headers is refused", async () => {
    await start();
    await expect(client.open([await granted(), await granted({ operation: "put" })])).rejects.toMatchObject({ code: "GRANT_INVALID" });
  });

  test("refuses absurd sizes and what is no request, and goes on", async () => {
    await start();
    const { grant, header, fileKey } = await granted();
    const long = Buffer.alloc(70_000).toString("base64");
    const many = Array.from({ length: 300 }, () => ({ grant, header: Buffer.from(header).toString("base64") }));
    const bodies = [JSON.stringify({ requests: [{ grant, header: long }] }), JSON.stringify({ requests: many }), "", "{", "[]", "null", '{"requests":[]}', '{"requests":[{"grant":{},"header":"x"}]}', Buffer.alloc(5 * 1024 ** 2, 0x20)];
    for (const body of bodies) expect(await post(body)).toMatchObject({ status: 422, text: expect.stringContaining('"INPUT_INVALID"') as string });
    expect(await post("{}", "/v1/keys/identity")).toMatchObject({ status: 404 });
    expect(await client.open([{ grant, header }])).toEqual([Buffer.from(fileKey)]);
  });

  test("limits the keys of an attempt and of all", async () => {
    await start({ limits: { keysPerMinute: 3, attemptKeysPerMinute: 2 } });
    const { attemptId } = (await granted()).grant.body;
    for (let count = 0; count < 2; count += 1) await client.open([await granted({ attemptId })]);
    await expect(client.open([await granted({ attemptId })])).rejects.toMatchObject({ code: "TOO_MANY_REQUESTS", message: expect.stringContaining(attemptId) as string });
    await client.open([await granted()]);
    await expect(client.open([await granted()])).rejects.toMatchObject({ code: "TOO_MANY_REQUESTS", message: expect.stringContaining("limits.keysPerMinute") as string });
    pass(30_000);
    await client.open([await granted({ attemptId })]);
  });

  test("does not let refusals fill the disk, but counts them", async () => {
    await start();
    const bad = await granted({ operation: "put" });
    for (let count = 0; count < 650; count += 1) await expect(client.open([bad])).rejects.toMatchObject({ code: "GRANT_INVALID" });
    expect(await entries()).toHaveLength(601);
    pass(60_000);
    await expect(client.open([bad])).rejects.toMatchObject({ code: "GRANT_INVALID" });
    expect((await entries()).at(-1)).toMatchObject({ event: "refused", refusedUnwritten: 50 });
  });
});

describe("a clock that is set back", () => {
  test("revives no grant while the keyholder runs", async () => {
    await start();
    const asked = await granted();
    await client.open([asked]);
    pass(60_000);
    await expect(client.open([asked])).rejects.toMatchObject({ code: "GRANT_INVALID" });
    time.wallMs = T0;
    await expect(client.open([asked])).rejects.toMatchObject({ code: "GRANT_INVALID", message: expect.stringContaining("expired") as string });
  });

  test("revives none after a restart either", async () => {
    const before = await start();
    const asked = await granted();
    pass(60_000);
    await before.stop();
    time.wallMs = T0;
    await start();
    await expect(client.open([asked])).rejects.toMatchObject({ code: "GRANT_INVALID", message: expect.stringContaining("expired") as string });
    expect((await client.held()).now).toBe(isoTime(T0 + 60_000));
  });

  test("revives none when the mark is gone and the log is left", async () => {
    const before = await start();
    const asked = await granted();
    pass(60_000);
    await before.stop();
    await rm(keyholderPaths(config.stateDir).mark);
    time.wallMs = T0;
    await start();
    await expect(client.open([asked])).rejects.toMatchObject({ code: "GRANT_INVALID" });
  });
});

describe("a keyholder does not start", () => {
  const refused = (code: string, words: string) => expect(start()).rejects.toMatchObject({ code, message: expect.stringContaining(words) as string });

  test("on a log that was altered, cut or taken away", async () => {
    const { releases } = keyholderPaths(config.stateDir);
    const first = await start();
    await client.open([await granted({ key: "secret-pack" })]);
    await first.stop();
    const good = await readFile(releases, "utf8");
    await writeFile(releases, good.replace("secret-pack", "another-one"));
    await refused("RECORD_BROKEN", "broken at entry 3");
    await writeFile(releases, good.slice(0, good.indexOf("\n") + 1));
    await refused("RECORD_BROKEN", "ends at entry 1, and had 3 already");
    await rm(releases);
    await refused("RECORD_BROKEN", "ends at entry 0");
    await writeFile(releases, good);
    await start();
    expect((await checkReleaseLog(releases)).number).toBe(4);
  });

  test("beside another one", async () => {
    await start();
    await refused("ALREADY_RUNNING", "Another keyholder works on");
    await makeDir(join(folder, "other"), 0o700);
    await expect(start({ stateDir: join(folder, "other") })).rejects.toMatchObject({ code: "ALREADY_RUNNING", message: expect.stringContaining("k.sock") as string });
    await client.open([await granted()]);
  });

  test("with an identity that others can read, or that is not there", async () => {
    await chmod(join(folder, "daily.key"), 0o644);
    await refused("REFUSED", "daily.key is open to others");
    await rm(join(folder, "daily.key"));
    await refused("KEY_MISSING", "daily.key does not exist");
  });

  test("for a group that is not there", async () => {
    await expect(start({ socket: { path: join(folder, "k.sock"), group: "no-such-group" } })).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("no-such-group") as string });
    expect((await import("node:fs")).readdirSync(folder).toSorted()).toEqual(["daily.key", "state"]);
  });
});

describe("the socket", () => {
  test("is its owner's alone, takes the place of one that died, and goes at the end", async () => {
    const path = join(folder, "k.sock");
    await writeFile(path, "what a process that died left");
    const keyholder = await start();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await client.held();
    await keyholder.stop();
    await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
    await expect(client.held()).rejects.toMatchObject({ code: "KEYHOLDER_UNREACHABLE", message: expect.stringContaining(`The keyholder at ${path} does not answer: nobody listens there`) as string, hint: expect.stringContaining("holdfast keyholder") as string });
  });

  test("is open to a group when one is named", async () => {
    const own = execFileSync("id", ["-gn"], { encoding: "utf8" }).trim();
    await start({ socket: { path: join(folder, "k.sock"), group: own } });
    expect((await stat(join(folder, "k.sock"))).mode & 0o777).toBe(0o660);
    await client.held();
  });
});
