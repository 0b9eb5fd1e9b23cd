import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/demo/certificates.ts";
import { freePort } from "../../src/demo/free-port.ts";
import { generateKeyPair, type KeyPair, writeIdentityFile } from "../../src/keys/identities.ts";
import { checkReleaseLog } from "../../src/keys/release-log.ts";
import { remoteKeyholder } from "../../src/keys/remote-keyholder.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { generateSigningKey, signerFrom } from "../../src/lib/signing.ts";
import { openable } from "../fixtures/grants.ts";
import { HOLDFAST } from "../fixtures/holdfast-program.ts";
import { type KeyholderPlace, type KeyholderProcess, startKeyholderProcess } from "../fixtures/keyholder-process.ts";
import { type TempDir, tempDir } from "../fixtures/temp.ts";
import { describeUnless } from "../skip.ts";

const signer = signerFrom(generateSigningKey());

let dir: TempDir;
let pair: KeyPair;
let place: KeyholderPlace;
let running: KeyholderProcess | undefined;

beforeEach(async () => {
  dir = await tempDir();
  pair = await generateKeyPair();
  const identityPath = join(dir.path, "daily.key");
  await writeIdentityFile(identityPath, pair, systemClock);
  place = { dir: join(dir.path, "kh"), identityPath, signingKey: signer.publicKey };
  running = undefined;
});
afterEach(async () => {
  await running?.kill9();
  await dir.remove();
});

const granted = () => openable([pair.recipient], { signer, nowMs: Date.now() });

describe("a keyholder that is killed", () => {
  test("has every key that left it in its log, whose chain holds, and goes on with it", async () => {
    const received: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const keyholder = await startKeyholderProcess(place);
      running = keyholder;
      const impatient = remoteKeyholder({ socket: keyholder.socket }, { tries: 1, firstPauseMs: 1, maxPauseMs: 1 });
      const enough = Promise.withResolvers<null>();
      const ask = async (): Promise<void> => {
        for (;;) {
          const asked = await granted();
          await impatient.open([asked]);
          received.push(asked.grant.body.grantId);
          if (received.length >= 40 * (round + 1)) enough.resolve(null);
        }
      };
      const callers = Array.from({ length: 8 }, () => ask().catch((error: unknown) => error));
      await enough.promise;
      await keyholder.kill9();
      for (const ended of await Promise.all(callers)) expect(ended).toMatchObject({ code: "KEYHOLDER_UNREACHABLE" });
      const released = new Set((await keyholder.entries()).filter(({ event }) => event === "released").map(({ grantId }) => grantId));
      expect(received.filter((grantId) => !released.has(grantId))).toEqual([]);
    }
    running = await startKeyholderProcess(place);
    expect((await checkReleaseLog(running.releasesPath)).number).toBeGreaterThan(120);
  });

  test("is waited for: what was asked meanwhile is answered when it is back", async () => {
    running = await startKeyholderProcess(place);
    const { client } = running;
    const asked = await granted();
    await running.kill9();
    const patient = remoteKeyholder({ socket: running.socket }, { tries: 10_000, firstPauseMs: 20, maxPauseMs: 20 });
    const answer = patient.open([asked]);
    await expect(remoteKeyholder({ socket: running.socket }, { tries: 2, firstPauseMs: 1, maxPauseMs: 1 }).held()).rejects.toMatchObject({ code: "KEYHOLDER_UNREACHABLE" });
    running = await startKeyholderProcess(place);
    expect(await answer).toEqual([Buffer.from(asked.fileKey)]);
    expect(await client.held()).toMatchObject({ recipients: [pair.recipient] });
  });

  test("revives no grant that had expired, although nobody had asked since", async () => {
    running = await startKeyholderProcess(place);
    const short = await openable([pair.recipient], { signer, nowMs: Date.now(), expiresAt: new Date(Date.now() + 500).toISOString() });
    await expect.poll(async () => Date.parse((await running!.client.held()).now) > Date.parse(short.grant.body.expiresAt)).toBe(true);
    await running.kill9();
    running = await startKeyholderProcess(place);
    await expect(running.client.open([short])).rejects.toMatchObject({ code: "GRANT_INVALID" });
  });
});

describe("the commands", () => {
  const holdfast = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(HOLDFAST, args, { cwd: dir.path, encoding: "utf8" });
    return { code: status, stdout, stderr };
  };

  test("end in order when they are asked to, and check the log that is left", async () => {
    const keyholder = await startKeyholderProcess(place);
    running = keyholder;
    await keyholder.client.open([await granted()]);
    expect(await keyholder.stop()).toBe(0);
    expect((await keyholder.entries()).map(({ event }) => event)).toEqual(["started", "released", "stopped"]);
    const good = holdfast("key", "log", keyholder.releasesPath, "--json");
    expect(good.code, good.stderr).toBe(0);
    const { sha256 } = JSON.parse(good.stdout) as { sha256: string };
    expect(holdfast("key", "log", keyholder.releasesPath, "--head", sha256).code).toBe(0);
    expect(holdfast("key", "log", keyholder.releasesPath, "--head", "0".repeat(64))).toMatchObject({ code: 14 });
    await writeFile(keyholder.releasesPath, "{}\n");
    expect(holdfast("key", "log", keyholder.releasesPath)).toMatchObject({ code: 14, stderr: expect.stringContaining("broken at entry 1") as string });
    await expect(startKeyholderProcess(place)).rejects.toThrow("broken at entry 1");
  });

  test("say every fault of a configuration at once", async () => {
    await writeFile(join(dir.path, "bad.yaml"), "identites: [a]\nsocket: { path: 7 }\n");
    const { code, stderr } = holdfast("keyholder", "--config", "bad.yaml");
    expect(code).toBe(2);
    expect(stderr).toContain("bad.yaml:1: identites: is not a known key; did you mean identities?");
    expect(stderr).toContain("bad.yaml:2: socket.path: 7");
  });
});

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

describeUnless(hasOpenssl ? undefined : "openssl is not on PATH", "over mutual TLS", () => {
  const file = (name: string): string => join(dir.path, name);

  test("answers those whom the authority signed, names them in the log, and nobody else", async () => {
    const [house, stranger] = [await makeAuthority(dir.path, "house"), await makeAuthority(dir.path, "stranger")];
    for (const name of ["keyholder", "server"]) await house.issue(name);
    await stranger.issue("thief");
    const address = `127.0.0.1:${String(await freePort())}`;
    running = await startKeyholderProcess({ ...place, more: `tls: { address: "${address}", certificate: ${file("keyholder.pem")}, key: ${file("keyholder.key")}, clientCa: ${file("house-ca.pem")} }\n` });
    const as = (name: string, ca = "house-ca.pem") =>
      remoteKeyholder({ address, certificate: file(`${name}.pem`), key: file(`${name}.key`), ca: file(ca) }, { tries: 1, firstPauseMs: 1, maxPauseMs: 1 });
    const asked = await granted();
    expect(await as("server").open([asked])).toEqual([Buffer.from(asked.fileKey)]);
    expect((await running.entries()).at(-1)).toMatchObject({ event: "released", from: expect.stringMatching(/^server [0-9A-F:]{95}$/) as string });
    await expect(as("thief").open([asked])).rejects.toMatchObject({ code: "KEYHOLDER_UNREACHABLE" });
    await expect(as("server", "stranger-ca.pem").open([asked])).rejects.toMatchObject({ code: "KEYHOLDER_UNREACHABLE", message: expect.stringContaining(address) as string });
    await expect(as("nobody").open([asked])).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("nobody.pem") as string });
    expect((await running.entries()).filter(({ event }) => event === "released")).toHaveLength(1);
  });
});
