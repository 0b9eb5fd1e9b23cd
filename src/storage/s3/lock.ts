import { DeleteObjectCommand, PutObjectLegalHoldCommand, PutObjectRetentionCommand } from "@aws-sdk/client-s3";
import { HoldfastError } from "../../lib/errors.ts";
import type { LockState, LockTrial, ObjectLock } from "../storage.ts";
import { isPlainRefusal, s3Error } from "./errors.ts";
import { type Head, headObject } from "./head.ts";
import type { LockOptions } from "./options.ts";
import { ask, type S3Place } from "./place.ts";
import { wholeSecond } from "./put.ts";

/** Where a trial tries to bring the end of a lock to. */
const SHORTER_MS = 1_000;

/** The locks of a bucket's objects. Each change is asked back: what the store only says to have done does not count. */
export function objectLock(place: S3Place, options: LockOptions): ObjectLock {
  return {
    committedMs: options.committedLock,
    state: (key) => stateOf(place, key),
    extend: (key, untilMs) => extend(place, key, { mode: options.mode, untilMs: wholeSecond(untilMs) }),
    hold: (key, isHeld) => hold(place, key, isHeld),
    tryToBreak: (key) => tryToBreak(place, key),
  };
}

async function requireHead(place: S3Place, key: string): Promise<Head> {
  const found = await headObject(place, key);
  if (found === null) throw new HoldfastError("OBJECT_NOT_FOUND", `There is no object ${place.nameOf(key)}.`);
  return found;
}

async function stateOf(place: S3Place, key: string): Promise<LockState> {
  const { lockedUntilMs, isHeld } = await requireHead(place, key);
  return { lockedUntilMs, isHeld };
}

async function extend(place: S3Place, key: string, wanted: { mode: LockOptions["mode"]; untilMs: number }): Promise<void> {
  const found = await requireHead(place, key);
  if ((found.lockedUntilMs ?? 0) >= wanted.untilMs) return;
  // A lock never gets weaker, whatever the configuration says today.
  const mode = wanted.mode === "compliance" || found.lockMode === "COMPLIANCE" ? "COMPLIANCE" : "GOVERNANCE";
  const command = new PutObjectRetentionCommand({ ...identityOf(place, key, found), Retention: { Mode: mode, RetainUntilDate: new Date(wanted.untilMs) } });
  await ask(place, { action: "locked", name: place.nameOf(key) }, () => place.client.send(command));
  const { lockedUntilMs } = await requireHead(place, key);
  if ((lockedUntilMs ?? 0) >= wanted.untilMs) return;
  throw new HoldfastError("STORAGE_UNSUITABLE", `The store took a longer lock of ${place.nameOf(key)}, but the object is ${lockedUntilMs === null ? "not locked" : `locked until ${new Date(lockedUntilMs).toISOString()} only`}.`);
}

async function hold(place: S3Place, key: string, isHeld: boolean): Promise<void> {
  const found = await requireHead(place, key);
  if (found.isHeld === isHeld) return;
  const command = new PutObjectLegalHoldCommand({ ...identityOf(place, key, found), LegalHold: { Status: isHeld ? "ON" : "OFF" } });
  await ask(place, { action: "held", name: place.nameOf(key) }, () => place.client.send(command));
  if ((await requireHead(place, key)).isHeld !== isHeld) throw new HoldfastError("STORAGE_UNSUITABLE", `The store took a change of the legal hold of ${place.nameOf(key)}, but the object is as it was.`);
}

function identityOf(place: S3Place, key: string, { versionId }: Head): { Bucket: string; Key: string; VersionId?: string } {
  return { Bucket: place.bucket, Key: place.keyOf(key), ...(versionId === undefined ? {} : { VersionId: versionId }) };
}

async function tryToBreak(place: S3Place, key: string): Promise<LockTrial[]> {
  const found = await requireHead(place, key);
  const object = identityOf(place, key, found);
  const shorter = { Mode: found.lockMode ?? "GOVERNANCE", RetainUntilDate: new Date(wholeSecond(Date.now() + SHORTER_MS)) };
  const attempts: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["delete it", () => place.client.send(new DeleteObjectCommand(object))],
    ["shorten its lock", () => place.client.send(new PutObjectRetentionCommand({ ...object, Retention: shorter }))],
    ["shorten its lock with the right to bypass", () => place.client.send(new PutObjectRetentionCommand({ ...object, Retention: shorter, BypassGovernanceRetention: true }))],
    ["delete it with the right to bypass", () => place.client.send(new DeleteObjectCommand({ ...object, BypassGovernanceRetention: true }))],
  ];
  const trials: LockTrial[] = [];
  for (const [attempt, run] of attempts) trials.push({ attempt, isRefused: await isRefused(place, key, run) });
  return trials;
}

/** Only the store's own no counts: a broken connection refuses nothing. */
async function isRefused(place: S3Place, key: string, run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    return false;
  } catch (error) {
    if (isPlainRefusal(error)) return true;
    throw s3Error(error, "tried", place.nameOf(key));
  }
}
