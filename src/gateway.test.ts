import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { markRepository } from "../test/fixtures/gateway.ts";
import { grantBy } from "../test/fixtures/grants.ts";
import { freePort } from "./demo/free-port.ts";
import { type Gateway, startGateway } from "./gateway.ts";
import { parseGatewayConfig } from "./config/gateway-config.ts";
import { isoTime, systemClock } from "./lib/clock.ts";
import { createLog } from "./lib/log.ts";
import { generateSigningKey, signerFrom } from "./lib/signing.ts";
import type { GateElsewhere } from "./storage/gate.ts";
import { remoteGate } from "./storage/remote-gate.ts";

const BODY = Buffer.from("the bytes of a pack");
const NOW_MS = Date.UTC(2026, 5, 1, 12);
const MINUTE_MS = 60_000;
const signer = signerFrom(generateSigningKey());
const never = new AbortController().signal;

/** A wall clock that is set by hand; the monotonic one goes on as it does. */
let nowMs: number;
/** What it really is. */
let trueMs: number;
let monotonicMs: number;
let dir: string;
let gateway: Gateway;
let gate: GateElsewhere;
let port: number;

async function start(): Promise<void> {
  const config = parseGatewayConfig(`listen: { port: ${String(port)} }\nstateDir: state\nsigningKeyFingerprint: ${signer.fingerprint}\nrepositories: { main: { kind: local, options: { path: repository } } }\n`, join(dir, "gateway.yaml"), {});
  const log = createLog({ level: "info", destination: join(dir, "state", "gateway.log") });
  gateway = await startGateway({ config, log, clock: { nowMs: () => nowMs, monotonicMs: () => monotonicMs } });
}

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-"));
  await markRepository(join(dir, "repository"), signer);
  [nowMs, trueMs, monotonicMs, port] = [NOW_MS, NOW_MS, systemClock.monotonicMs(), await freePort()];
  await start();
  gate = remoteGate({ url: gateway.url });
});

afterEach(async () => {
  gate.close();
  await gateway.stop();
  await rm(dir, { recursive: true, force: true });
});

const put = (key: string, expiresAtMs: number): Promise<void> => gate.put(grantBy(signer, BODY, { key, expiresAt: isoTime(expiresAtMs) }), [BODY], never);
const REFUSED = { code: "GRANT_INVALID" };

async function pass(ms: number): Promise<void> {
  nowMs += ms;
  trueMs += ms;
  monotonicMs += ms;
  // A request, so that the gateway has seen this time.
  await gate.confirm(grantBy(signer, BODY, { key: "i/any", expiresAt: isoTime(trueMs + MINUTE_MS) }), never);
}

describe("a gateway whose clock is set back", () => {
  test("does not bring expired grants to life", async () => {
    const expiresAtMs = NOW_MS + MINUTE_MS;
    await put("i/1", expiresAtMs);
    await pass(2 * MINUTE_MS);
    await expect(put("i/2", expiresAtMs)).rejects.toMatchObject(REFUSED);
    nowMs = NOW_MS;
    await expect(put("i/2", expiresAtMs)).rejects.toMatchObject(REFUSED);
  });

  test("does not do so after a restart either, and says what is wrong", async () => {
    const expiresAtMs = NOW_MS + MINUTE_MS;
    await pass(2 * MINUTE_MS);
    await gateway.stop();
    [nowMs, monotonicMs] = [NOW_MS, 5];
    await start();
    await expect(put("i/2", expiresAtMs)).rejects.toMatchObject(REFUSED);
    await put("i/3", NOW_MS + 3 * MINUTE_MS);
    expect(await readFile(join(dir, "state", "gateway.log"), "utf8")).toContain("ALARM: the clock was set back");
  });

  test("lets no grant live longer than it was given for", async () => {
    const expiresAtMs = NOW_MS + 10 * MINUTE_MS;
    await pass(MINUTE_MS);
    nowMs -= 60 * MINUTE_MS;
    await pass(8 * MINUTE_MS);
    await put("i/1", expiresAtMs);
    monotonicMs += 2 * MINUTE_MS;
    await expect(put("i/2", expiresAtMs)).rejects.toMatchObject(REFUSED);
  });

  test("by more than any grant is valid, without a memory of it, believes no grant at all", async () => {
    await expect(put("i/1", NOW_MS + 25 * 60 * MINUTE_MS)).rejects.toMatchObject({ ...REFUSED, message: expect.stringContaining("longer after the gateway's time") as string });
  });
});
