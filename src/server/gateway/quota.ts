import { HoldfastError } from "../../lib/errors.ts";
import type { Log } from "../../lib/log.ts";
import { formatBytes } from "../../lib/units.ts";
import type { Grant } from "../../model/grant.ts";

export interface QuotaLimits {
  readonly bytesPerDay: number;
  /** From this share of the limit on the log says so. */
  readonly alarmPercent: number;
}

/** What was written in one day (UTC), in bytes, by repository and first part of the key: the instance. */
export interface DayOfWrites {
  readonly day: string;
  readonly writtenBytes: Readonly<Record<string, number>>;
}

/** Counts what is written for each instance in a day, says when it becomes much, and refuses what is too much. */
export class Quota {
  readonly #limits: QuotaLimits | undefined;
  readonly #log: Log;
  #day: string;
  readonly #writtenBytes: Map<string, number>;
  readonly #alarmed = new Set<string>();

  constructor(limits: QuotaLimits | undefined, kept: DayOfWrites, log: Log) {
    this.#limits = limits;
    this.#log = log;
    this.#day = kept.day;
    this.#writtenBytes = new Map(Object.entries(kept.writtenBytes));
  }

  /** Counts an object before its first byte; STORAGE_FULL when the day has no room for it. */
  reserve(grant: Grant, nowMs: number): void {
    this.#turnDay(nowMs);
    const owner = ownerOf(grant);
    const writtenBytes = (this.#writtenBytes.get(owner) ?? 0) + grant.sizeBytes;
    this.#judge(owner, writtenBytes, grant);
    this.#writtenBytes.set(owner, writtenBytes);
  }

  /** What was reserved and not stored does not count. */
  giveBack(grant: Grant): void {
    const owner = ownerOf(grant);
    this.#writtenBytes.set(owner, Math.max(0, (this.#writtenBytes.get(owner) ?? 0) - grant.sizeBytes));
  }

  toKeep(): DayOfWrites {
    return { day: this.#day, writtenBytes: Object.fromEntries(this.#writtenBytes) };
  }

  #turnDay(nowMs: number): void {
    const day = dayOf(nowMs);
    if (day === this.#day) return;
    this.#day = day;
    this.#writtenBytes.clear();
    this.#alarmed.clear();
  }

  #judge(owner: string, writtenBytes: number, grant: Grant): void {
    if (this.#limits === undefined) return;
    const { bytesPerDay, alarmPercent } = this.#limits;
    const fields = { owner, writtenBytes, bytesPerDay, attemptId: grant.attemptId };
    if (writtenBytes > bytesPerDay) {
      this.#alarm(`${owner} full`, () => this.#log.error(fields, "ALARM: the quota of the day is used up; writes are refused"));
      throw new HoldfastError("STORAGE_FULL", `${grant.key} has ${String(grant.sizeBytes)} bytes, more than is left of the ${formatBytes(bytesPerDay)} that ${owner} may write in a day.`, {
        hint: "Find out what writes so much; if it is right, raise `quota.bytesPerDay` of the gateway.",
      });
    }
    if (writtenBytes > (bytesPerDay * alarmPercent) / 100) this.#alarm(owner, () => this.#log.warn(fields, "ALARM: the quota of the day is nearly used up"));
  }

  /** Once a day for each. */
  #alarm(what: string, say: () => void): void {
    if (this.#alarmed.has(what)) return;
    this.#alarmed.add(what);
    say();
  }
}

function ownerOf({ repository, key }: Grant): string {
  return `${repository}/${key.split("/")[0] ?? ""}`;
}

function dayOf(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 10);
}
