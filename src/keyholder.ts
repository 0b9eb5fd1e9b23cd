import { unlink } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { join } from "node:path";
import { Closers } from "./closers.ts";
import type { KeyholderConfig } from "./config/keyholder-config.ts";
import { markUntil, readMark, writeMark } from "./keys/clock-mark.ts";
import { type FileKeyholderOptions, heldRecipients, openKeyholder } from "./keys/file-keyholder.ts";
import { KeyPace } from "./keys/key-pace.ts";
import { listenPrivately } from "./keys/private-socket.ts";
import type { Release } from "./keys/release.ts";
import { openReleaseLog, type ReleaseLog } from "./keys/release-log.ts";
import { keyholderHandler } from "./keys/serve-keyholder.ts";
import { parseAddress } from "./lib/address.ts";
import { perMinute } from "./lib/allowance.ts";
import { type Clock, isoTime } from "./lib/clock.ts";
import { HoldfastError } from "./lib/errors.ts";
import { forwardClock } from "./lib/forward-clock.ts";
import type { Log } from "./lib/log.ts";
import { readNamedFile } from "./lib/named-file.ts";
import { takeProcessLock } from "./lib/process-lock.ts";
import { keyFingerprint } from "./lib/signing.ts";
import { grantVerifier } from "./model/grant-check.ts";
import { answers } from "./server/serve-socket.ts";

export interface KeyholderOptions {
  readonly config: KeyholderConfig;
  readonly log: Log;
  readonly clock: Clock;
}

/** Where things lie in the keyholder's state directory. */
export function keyholderPaths(stateDir: string): { releases: string; mark: string; lock: string; log: string } {
  return { releases: join(stateDir, "releases.jsonl"), mark: join(stateDir, "mark.json"), lock: join(stateDir, "lock.db"), log: join(stateDir, "keyholder.log") };
}

/** The mark is renewed this often, and reaches this much further: what time it was is known after any end of the process. */
const MARK_EVERY_MS = 10_000;
const MARK_AHEAD_MS = 2 * MARK_EVERY_MS;
/** A clock this far behind is worth a word; less is the mark's own reach. */
const BEHIND_MS = 60_000;
/** Refusals beyond this are counted, and the number stands in the next entry: nobody fills the disk with nonsense. */
const REFUSALS_PER_MINUTE = 600;
const CLOSE_LIMIT_MS = 5_000;

/**
 * The keyholder as a process of its own: the only one with identities. Everything is checked before the first caller is
 * heard: identities, the log of releases from its first entry on, certificates.
 */
export async function startKeyholder(options: KeyholderOptions): Promise<{ stop(): Promise<void> }> {
  const { config, log } = options;
  const closers = new Closers(log);
  try {
    const paths = keyholderPaths(config.stateDir);
    closers.add("lock", takeLock(paths.lock, config.stateDir));
    await heldRecipients(config.identities);
    const { clock, releases } = await openRecord(options, closers);
    await listen(options, { clock, releases, closers });
    return { stop: () => closers.closeAll() };
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

function takeLock(path: string, stateDir: string): () => Promise<void> {
  try {
    const lock = takeProcessLock(path);
    return async () => lock.close();
  } catch (cause) {
    throw new HoldfastError("ALREADY_RUNNING", `Another keyholder works on ${stateDir}.`, { cause, hint: "Stop it first, or give this one another `stateDir`." });
  }
}

/** Opens the log of releases and a clock that goes on where it was, and keeps both known. */
async function openRecord({ config, clock: wallClock, log }: KeyholderOptions, closers: Closers): Promise<{ clock: Clock; releases: ReleaseLog }> {
  const paths = keyholderPaths(config.stateDir);
  const mark = await readMark(paths.mark);
  let clock = wallClock;
  const releases = await openReleaseLog(paths.releases, { now: () => isoTime(clock.nowMs()), seen: mark ?? undefined });
  closers.add("log of releases", () => releases.close());
  const reachedMs = Math.max(...[mark?.until, releases.head.at].map((at) => (at == null ? 0 : Date.parse(at))));
  if (wallClock.nowMs() < reachedMs - BEHIND_MS) {
    const fields = { clock: isoTime(wallClock.nowMs()), reached: isoTime(reachedMs) };
    log.warn(fields, "this machine's clock says less than it has been here already; the ends of grants are judged by what was reached");
  }
  clock = forwardClock(wallClock, reachedMs);
  const keepMark = async (aheadMs: number): Promise<void> => {
    const { number, sha256 } = releases.head;
    await writeMark(paths.mark, { until: markUntil(clock, aheadMs), number, sha256 });
  };
  await releases.append({ event: "started" });
  await keepMark(MARK_AHEAD_MS);
  let keeping = Promise.resolve();
  const timer = setInterval(() => {
    keeping = keeping.then(() => keepMark(MARK_AHEAD_MS)).catch((error: unknown) => log.error({ err: error }, "the mark cannot be written"));
  }, MARK_EVERY_MS);
  closers.add("mark", async () => {
    clearInterval(timer);
    await keeping;
    await releases.append({ event: "stopped" });
    await keepMark(0);
    log.info({ ...releases.head }, "the log of releases ends here");
  });
  return { clock, releases };
}

async function listen({ config, log }: KeyholderOptions, { clock, releases, closers }: { clock: Clock; releases: ReleaseLog; closers: Closers }): Promise<void> {
  const pace = new KeyPace(config.limits, clock);
  const record = recorder(releases, clock, log);
  const keyholder: Omit<FileKeyholderOptions, "record"> = {
    identityPaths: config.identities,
    identitiesField: "identities",
    verifyGrant: grantVerifier(config.signingKey),
    clock,
    admit: (attemptId) => pace.admit(attemptId),
  };
  const held = async () => ({ recipients: await heldRecipients(config.identities), now: isoTime(clock.nowMs()), signingKeyFingerprint: keyFingerprint(config.signingKey) });
  const handler = keyholderHandler({ keyholderFor: (from) => openKeyholder({ ...keyholder, record: (release) => record(release, from) }), held, log });
  if (config.socket !== undefined) {
    const { path, group } = config.socket;
    if (await answers(path)) throw new HoldfastError("ALREADY_RUNNING", `Another process serves ${path}.`, { hint: "Stop it first, or name another `socket.path`." });
    const server = limited(createServer(handler));
    closers.add("socket", () => close(server, path));
    await listenPrivately(server, { path, group });
  }
  if (config.tls !== undefined) {
    const server = limited(await tlsServer(config.tls, handler));
    closers.add("tls", () => close(server));
    await listenOn(server, config.tls.address);
  }
  log.info({ socket: config.socket?.path, address: config.tls?.address, signingKey: keyFingerprint(config.signingKey), entries: releases.head.number }, "the keyholder is up");
}

function recorder(releases: ReleaseLog, clock: Clock, log: Log): (release: Release, from: string) => Promise<void> {
  const refusals = perMinute(REFUSALS_PER_MINUTE, clock);
  let uncounted = 0;
  return async (release, from) => {
    const words = { ...release, key: release.key.slice(0, 1_024), from };
    if (release.event === "released") {
      log.info(words, "file key released");
      return releases.append(words);
    }
    log.warn(words, "file key refused");
    if (refusals.waitMs() > 0) {
      uncounted += 1;
      return;
    }
    refusals.take();
    const notWritten = uncounted;
    uncounted = 0;
    const error = release.error === undefined ? {} : { error: { ...release.error, message: release.error.message.slice(0, 1_024) } };
    await releases.append({ ...words, ...error, ...(notWritten === 0 ? {} : { refusedUnwritten: notWritten }) });
  };
}

/** Callers that do not come to the point are let go. */
function limited(server: Server): Server {
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  server.maxConnections = 256;
  return server;
}

async function tlsServer({ certificate, key, clientCa }: NonNullable<KeyholderConfig["tls"]>, handler: Parameters<typeof createServer>[1]): Promise<Server> {
  const [cert, keyPem, ca] = [await readNamedFile("tls.certificate", certificate), await readNamedFile("tls.key", key), await readNamedFile("tls.clientCa", clientCa)];
  try {
    return createTlsServer({ cert, key: keyPem, ca, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" }, handler);
  } catch (cause) {
    throw new HoldfastError("CONFIG_INVALID", `tls: certificate, key and clientCa do not go together: ${(cause as Error).message}.`, { cause });
  }
}

function listenOn(server: Server, address: string): Promise<void> {
  return new Promise((listening, failed) => {
    server.once("error", (cause) => {
      failed(new HoldfastError("CONFIG_INVALID", `tls.address: nothing can listen on ${address}: ${cause.message}.`, { cause }));
    });
    server.listen(parseAddress(address) ?? {}, listening);
  });
}

/** Lets answers that are under way end. */
async function close(server: Server, socketPath?: string): Promise<void> {
  if (server.listening) {
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_LIMIT_MS);
    await new Promise((closed) => server.close(closed));
    clearTimeout(timer);
    if (socketPath !== undefined) await unlink(socketPath).catch(() => undefined);
  }
}
