import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isHoldfastError } from "../lib/errors.ts";
import type { Backup } from "./backup.ts";
import type { LogGroup } from "./log-groups.ts";
import type { LogSegment } from "./manifest.ts";
import { comparePositions } from "./position.ts";
import { chooseRestore, type RestoreChoice } from "./restore-plan.ts";
import type { RestoreGoal } from "./restore.ts";

const id = (number: number): string => String(number).padStart(26, "0");
const BASE_S = 1_700_000_000;
const timeAt = (second: number): string => new Date((BASE_S + second) * 1000).toISOString();
const TIMELINE = id(1);
const GROUP_BYTES = 100;
const HEAD_BYTES = 300;

/** Group `n` was begun in second `n`, lies in file `n / 4` and is 100 bytes long; each file begins with a head. */
const GROUPS_PER_FILE = 4;
const fileOf = (n: number): string => `bin.${String(Math.floor(n / GROUPS_PER_FILE) + 1).padStart(6, "0")}`;
const startOf = (n: number): number => HEAD_BYTES + (n % GROUPS_PER_FILE) * GROUP_BYTES;
const group = (n: number): LogGroup => ({
  start: startOf(n), end: startOf(n) + GROUP_BYTES, gtid: `0-1-${String(n + 1)}`, stampS: BASE_S + n, durationS: 0, statement: null, ddl: false, threadId: null, tables: [],
}); // prettier-ignore
const gtidAfter = (n: number): string => (n < 0 ? "" : `0-1-${String(n + 1)}`);

const part = { name: "x", sizeBytes: 10, sha256: "0".repeat(64), plainBytes: 10 };

/** The pieces of a log of `count` groups: one per group, the first of each file with its head. */
function pieceOf(n: number): LogSegment {
  return {
    formatVersion: 1, repositoryId: id(2), segmentId: id(1000 + n), instanceId: id(3), timeline: TIMELINE, kind: "tail", file: fileOf(n),
    startPosition: n % GROUPS_PER_FILE === 0 ? 0 : startOf(n), endPosition: startOf(n) + GROUP_BYTES, closesFile: n % GROUPS_PER_FILE === GROUPS_PER_FILE - 1,
    plainSha256: "0".repeat(64), object: part, index: part, groupCount: 1, firstStampS: BASE_S + n, lastStampS: BASE_S + n,
    gtidBefore: gtidAfter(n - 1), gtidAfter: gtidAfter(n), arrivals: [{ endPosition: startOf(n) + GROUP_BYTES, at: timeAt(n + 1) }],
  }; // prettier-ignore
}

/** A full that holds the groups before `n` and ended in second `n`, before group `n` began. */
function fullBefore(n: number, overrides: Partial<Backup> = {}): Backup {
  return {
    backupId: id(5000 + n), instanceId: id(3), instanceName: "shop", policy: "daily", jobId: id(4), repository: "main", kind: "full", parentId: null, chainId: id(5000 + n),
    timeline: TIMELINE, scheduledAt: timeAt(n - 1), startedAt: timeAt(n - 1), endedAt: timeAt(n - 0.5), committedAt: timeAt(n), streamBytes: 1, storedBytes: 1, packCount: 1,
    facts: { flavour: "mariadb", serverVersion: "10.11", toolVersion: "10.11", dataIdentity: "a", fromLsn: "0", toLsn: String(n), logPosition: { file: fileOf(n), position: startOf(n), gtid: gtidAfter(n - 1) }, recordedPosition: null, fileCount: 1 },
    holds: [], verification: null, ...overrides,
  }; // prettier-ignore
}

function choose(goal: RestoreGoal, stored: { backups: Backup[]; pieces: number[]; allowGap?: boolean }): Promise<RestoreChoice> {
  return chooseRestore({
    instance: { name: "shop", timeZone: "Europe/Berlin" },
    goal,
    allowGap: stored.allowGap ?? false,
    backups: stored.backups,
    segments: stored.pieces.map(pieceOf),
    nowMs: (BASE_S + 1000) * 1000,
    loadGroups: async (segment) => ({ formatVersion: 1, file: segment.file, groups: [group(Number(segment.segmentId) - 1000)] }),
  });
}

/** The groups that the restored data holds: those in the backup, then those whose bytes are replayed whole. */
function restored(choice: RestoreChoice): number[] {
  const tip = choice.chain.at(-1)!;
  const inBackup = Array.from({ length: Number(tip.backupId) - 5000 }, (_, n) => n);
  const replayed = choice.segments
    .map((segment) => Number(segment.segmentId) - 1000)
    .filter((n) => comparePositions(choice.start!, { file: fileOf(n), position: startOf(n) }) <= 0)
    .filter((n) => comparePositions({ file: fileOf(n), position: startOf(n) + GROUP_BYTES }, choice.stop!) <= 0);
  return [...inBackup, ...replayed];
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const time = (second: number): RestoreGoal => ({ kind: "time", at: timeAt(second) });
const refused = async (work: Promise<unknown>): Promise<{ code: string; message: string }> => {
  const error = await work.then(() => null, (thrown: unknown) => thrown);
  if (isHoldfastError(error)) return error;
  throw new Error("it was not refused", { cause: error });
};

describe("a restore", () => {
  it("starts at the newest backup before the goal and replays exactly what lies between", async () => {
    const choice = await choose(time(6.5), { backups: [fullBefore(1), fullBefore(5), fullBefore(9)], pieces: upTo(12) });
    expect(choice.chain.map((backup) => backup.backupId)).toEqual([id(5005)]);
    expect(restored(choice)).toEqual(upTo(7));
    expect(choice.stop?.nextGroup?.gtid).toBe("0-1-8");
  });

  it("reads each log file from its head", async () => {
    const choice = await choose({ kind: "latest" }, { backups: [fullBefore(6)], pieces: upTo(8) });
    expect(choice.segments[0]).toMatchObject({ file: fileOf(6), startPosition: 0 });
  });

  it("to the end goes to the last stored byte, or to a backup behind it", async () => {
    expect(restored(await choose({ kind: "latest" }, { backups: [fullBefore(2)], pieces: upTo(7) }))).toEqual(upTo(7));
    const ahead = await choose({ kind: "latest" }, { backups: [fullBefore(2), fullBefore(9)], pieces: upTo(7) });
    expect([restored(ahead), ahead.start, ahead.warnings.length]).toEqual([upTo(9), null, 1]);
  });

  it("to a GTID or a position stops right behind it", async () => {
    expect(restored(await choose({ kind: "gtid", gtid: "0-1-5" }, { backups: [fullBefore(2)], pieces: upTo(8) }))).toEqual(upTo(5));
    const place = { kind: "position", file: fileOf(5), position: startOf(5) } as const;
    expect(restored(await choose(place, { backups: [fullBefore(2)], pieces: upTo(8) }))).toEqual(upTo(5));
  });

  it("to a backup takes that backup and no log", async () => {
    const choice = await choose({ kind: "backup", backupId: id(5002) }, { backups: [fullBefore(2), fullBefore(5)], pieces: upTo(8) });
    expect([choice.chain[0]?.backupId, choice.segments, choice.stop]).toEqual([id(5002), [], null]);
  });

  it("to a time in the future or before the first backup is refused with the range in both zones", async () => {
    for (const second of [1, 2000]) {
      const error = await refused(choose(time(second), { backups: [fullBefore(3)], pieces: upTo(8) }));
      expect(error.code).toBe("OUT_OF_COVERAGE");
      expect(error.message).toContain(timeAt(2.5));
      expect(error.message).toContain("2023-11-14 23:13:22 Europe/Berlin");
    }
  });

  it("over a hole is refused, and with the operator's word says what is lost", async () => {
    const stored = { backups: [fullBefore(1)], pieces: [0, 1, 2, 3, 4, 8, 9] };
    expect((await refused(choose({ kind: "latest" }, stored))).code).toBe("GAP");
    const choice = await choose({ kind: "latest" }, { ...stored, allowGap: true });
    expect(choice.gaps).toHaveLength(1);
    expect(choice.warnings.join()).toContain("lost");
  });

  it("to an instant inside a hole is refused, and with the operator's word ends in front of it", async () => {
    const stored = { backups: [fullBefore(1), fullBefore(8)], pieces: [0, 1, 2, 3, 4, 8, 9] };
    expect((await refused(choose(time(6), stored))).code).toBe("GAP");
    expect(restored(await choose(time(6), { ...stored, allowGap: true }))).toEqual(upTo(5));
    expect(restored(await choose(time(7.9), stored))).toEqual(upTo(8));
  });

  it("from a file whose head is missing is refused whatever the operator says", async () => {
    const stored = { backups: [fullBefore(1)], pieces: [0, 1, 2, 3, 5, 6], allowGap: true };
    expect(await refused(choose({ kind: "latest" }, stored))).toMatchObject({ code: "GAP", message: expect.stringContaining("head") as string });
  });

  it("without any log gives the newest backup, and no instants", async () => {
    const bare = fullBefore(3, { facts: { ...fullBefore(3).facts, logPosition: null } });
    expect((await choose({ kind: "latest" }, { backups: [bare], pieces: [] })).chain).toEqual([bare]);
    expect((await refused(choose(time(5), { backups: [bare], pieces: [] }))).code).toBe("OUT_OF_COVERAGE");
  });
});

const stock = fc.record({
  backups: fc.uniqueArray(fc.integer({ min: 1, max: 15 }), { minLength: 1, maxLength: 4 }),
  broken: fc.uniqueArray(fc.integer({ min: 1, max: 15 }), { maxLength: 2 }),
  lost: fc.uniqueArray(fc.nat({ max: 15 }), { maxLength: 2 }),
  allowGap: fc.boolean(),
});
const goals = fc.oneof(
  fc.constant<RestoreGoal>({ kind: "latest" }),
  fc.integer({ min: 0, max: 17 }).map((second) => time(second + 0.7)),
  fc.integer({ min: 1, max: 16 }).map<RestoreGoal>((n) => ({ kind: "gtid", gtid: `0-1-${String(n)}` })),
  fc.integer({ min: 0, max: 15 }).map<RestoreGoal>((n) => ({ kind: "position", file: fileOf(n), position: startOf(n) })),
);

/** How many groups the goal asks for; the end is that of the log or of the furthest backup. */
function wanted(goal: RestoreGoal, end: number): number {
  if (goal.kind === "time") return Math.min(end, Math.floor(Date.parse(goal.at) / 1000) - BASE_S + 1);
  if (goal.kind === "gtid") return Number(goal.gtid.slice(4));
  if (goal.kind === "position") return upTo(16).find((n) => fileOf(n) === goal.file && startOf(n) === goal.position)!;
  return end;
}

/** Without a hole everything behind the first sound backup must be given. */
function isReachable(goal: RestoreGoal, sound: readonly number[], lost: readonly number[]): boolean {
  return lost.length === 0 && sound.length > 0 && wanted(goal, 16) > Math.min(...sound);
}

describe("for any stock of backups and log", () => {
  it("what comes back is exactly the prefix that was asked for, unless a hole was accepted", async () => {
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(stock, goals, async ({ backups, broken, lost, allowGap }, goal) => {
        // A broken one is an incremental whose parent is gone: it must never be used.
        const orphan = (n: number): Partial<Backup> => (broken.includes(n) ? { kind: "incremental", parentId: id(9999) } : {});
        const pieces = upTo(16).filter((n) => !lost.includes(n));
        const sound = backups.filter((n) => !broken.includes(n));
        let choice: RestoreChoice;
        try {
          choice = await choose(goal, { backups: backups.map((n) => fullBefore(n, orphan(n))), pieces, allowGap });
        } catch (error) {
          const known = isHoldfastError(error, "GAP") || isHoldfastError(error, "OUT_OF_COVERAGE");
          if (!known || isReachable(goal, sound, lost)) throw error;
          return;
        }
        answered += 1;
        const tip = Number(choice.chain.at(-1)!.backupId) - 5000;
        expect(sound).toContain(tip);
        const end = Math.max(...sound, Math.max(...pieces) + 1);
        const asked = wanted(goal, end);
        expect(tip).toBeLessThanOrEqual(asked);
        if (choice.gaps.length > 0) expect(allowGap && choice.warnings.length > 0).toBe(true);
        else if (choice.warnings.length === 0) expect(restored(choice)).toEqual(upTo(asked));
      }),
      { numRuns: 500 },
    );
    expect(answered).toBeGreaterThan(150);
  });
});
