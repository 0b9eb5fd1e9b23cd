import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HoldfastError } from "../lib/errors.ts";
import type { Backup } from "./backup.ts";
import type { LogSegment } from "./manifest.ts";
import { formatPosition } from "./position.ts";
import { chooseRestore, type RestoreQuestion } from "./restore-plan.ts";
import type { RestoreGoal } from "./restore.ts";
import { chooseSoundRestore, type SoundChoice } from "./sound-restore.ts";

const id = (number: number): string => String(number).padStart(26, "0");
const BASE_S = 1_700_000_000;
const timeAt = (second: number): string => new Date((BASE_S + second) * 1000).toISOString();
const part = { name: "x", sizeBytes: 10, sha256: "0".repeat(64), plainBytes: 10 };
const FILE = "bin.000001";
const placeOf = (n: number): number => 300 + n * 100;
const gtidAfter = (n: number): string => (n < 0 ? "" : `0-1-${String(n + 1)}`);

/** Group `n` lies in piece `n` of one file and was begun in second `n`. */
function piece(n: number, overrides: Partial<LogSegment> = {}): LogSegment {
  return {
    formatVersion: 1, repositoryId: id(2), segmentId: id(1000 + n), instanceId: id(3), timeline: id(1), kind: "tail", file: FILE, startPosition: n === 0 ? 0 : placeOf(n), endPosition: placeOf(n + 1),
    closesFile: false, plainSha256: "0".repeat(64), object: part, index: part, groupCount: 1, firstStampS: BASE_S + n, lastStampS: BASE_S + n, gtidBefore: gtidAfter(n - 1), gtidAfter: gtidAfter(n),
    arrivals: [{ endPosition: placeOf(n + 1), at: timeAt(n + 1) }], ...overrides,
  }; // prettier-ignore
}

function full(n: number, overrides: Partial<Backup> = {}): Backup {
  return {
    backupId: id(5000 + n), instanceId: id(3), instanceName: "shop", policy: "daily", jobId: id(4), repository: "main", kind: "full", parentId: null, chainId: id(5000 + n), timeline: id(1),
    scheduledAt: timeAt(n - 1), startedAt: timeAt(n - 1), endedAt: timeAt(n - 0.5), committedAt: timeAt(n), streamBytes: 1, storedBytes: 1, packCount: 1,
    facts: { flavour: "mariadb", serverVersion: "10.11", toolVersion: "10.11", dataIdentity: "a", fromLsn: "0", toLsn: String(n), logPosition: { file: FILE, position: placeOf(n), gtid: gtidAfter(n - 1) }, recordedPosition: null, fileCount: 1 },
    holds: [], verification: null, ...overrides,
  }; // prettier-ignore
}

/** An incremental that ends before group `n` and builds on the backup that ends before group `parent`. */
function incremental(n: number, parent: number): Backup {
  const base = full(n);
  return { ...base, kind: "incremental", parentId: id(5000 + parent), chainId: id(5000 + parent), facts: { ...base.facts, fromLsn: String(parent) } };
}

const backupDamage = (n: number): [string, string] => [`backup:${id(5000 + n)}`, `backup ${id(5000 + n)} is damaged in storage: b${String(n)}/000000.zst.age (hash).`];
const pieceDamage = (n: number): [string, string] => [`segment:${id(1000 + n)}`, `segment ${id(1000 + n)} is damaged in storage: s${String(n)}.zst.age (missing).`];

interface Stored {
  readonly backups: Backup[];
  readonly segments?: LogSegment[];
  readonly damage: readonly [string, string][];
  readonly allowGap?: boolean;
  /** Pieces whose index cannot be read. */
  readonly unread?: readonly number[];
}

function question(goal: RestoreGoal, { backups, segments, allowGap, unread }: Stored): RestoreQuestion {
  return {
    instance: { name: "shop", timeZone: "UTC" },
    goal,
    allowGap: allowGap ?? false,
    backups,
    segments: segments ?? Array.from({ length: 8 }, (_, n) => piece(n)),
    nowMs: (BASE_S + 1000) * 1000,
    loadGroups: async (segment) => {
      const n = (segment.endPosition - 400) / 100;
      if (unread?.includes(n) === true) throw new HoldfastError("OBJECT_DAMAGED", `s${String(n)}.index.zst.age is altered.`);
      return { formatVersion: 1, file: FILE, groups: [{ start: placeOf(n), end: placeOf(n + 1), gtid: `0-1-${String(n + 1)}`, stampS: BASE_S + n, durationS: 0, statement: null, ddl: false, threadId: null, tables: [] }] };
    },
  };
}

const choose = (goal: RestoreGoal, stored: Stored): Promise<SoundChoice> => chooseSoundRestore(question(goal, stored), new Map(stored.damage));
const time = (second: number): RestoreGoal => ({ kind: "time", at: timeAt(second) });
const refusal = (goal: RestoreGoal, stored: Stored): Promise<HoldfastError> =>
  choose(goal, stored).then(
    (choice) => {
      throw new Error(`it was planned on ${choice.chain.map(({ backupId }) => backupId).join()}`);
    },
    (error: unknown) => error as HoldfastError,
  );

describe("a restore around damage", () => {
  it("takes the full before and more log, and names what it passed over", async () => {
    const choice = await choose(time(6.5), { backups: [full(1), full(5)], damage: [backupDamage(5)] });
    expect(choice.chain.map(({ backupId }) => backupId)).toEqual([id(5001)]);
    expect(formatPosition(choice.stop!)).toBe(`${FILE}:1000`);
    expect(choice.passedOver).toEqual([{ subject: `backup:${id(5005)}`, message: backupDamage(5)[1] }]);
    expect(choice.warnings.join()).toContain(`b5/000000.zst.age (hash). This restore builds on full ${id(5001)} and replays the log from ${FILE}:400 instead`);
  });

  it("leaves out a chain whose full is damaged below a sound incremental", async () => {
    const backups = [full(1), full(3), incremental(5, 3)];
    const choice = await choose({ kind: "latest" }, { backups, damage: [backupDamage(3)] });
    expect(choice.chain.map(({ backupId }) => backupId)).toEqual([id(5001)]);
    expect(choice.passedOver.map(({ subject }) => subject)).toEqual([`backup:${id(5003)}`]);
  });

  it("is not disturbed by damage that it does not touch", async () => {
    const choice = await choose(time(6.5), { backups: [full(1), full(5)], damage: [backupDamage(1), pieceDamage(7)] });
    expect([choice.chain[0]?.backupId, choice.passedOver, choice.warnings]).toEqual([id(5005), [], []]);
  });

  it("takes tails that still hold the bytes of a damaged segment", async () => {
    const merged = piece(6, { segmentId: id(1900), kind: "segment", startPosition: placeOf(5), endPosition: placeOf(7) });
    const segments = [...Array.from({ length: 8 }, (_, n) => piece(n)), merged];
    const stored = { backups: [full(5)], segments, damage: [[`segment:${id(1900)}`, "segment is damaged."]] as [string, string][] };
    const choice = await choose({ kind: "gtid", gtid: "0-1-7" }, stored);
    expect(choice.segments.map(({ segmentId }) => segmentId)).toContain(id(1005));
    expect(choice.passedOver.map(({ subject }) => subject)).toEqual([`segment:${id(1900)}`]);
  });

  it("refuses where there is no other way, naming object and remedy", async () => {
    const error = await refusal(time(6.5), { backups: [full(5)], damage: [backupDamage(5)] });
    expect(error).toMatchObject({ code: "OBJECT_DAMAGED", message: expect.stringContaining("b5/000000.zst.age (hash)") as string, hint: expect.stringContaining("holdfast repository check") as string, details: { damaged: [`backup:${id(5005)}`] } });
    const log = await refusal(time(6.5), { backups: [full(1), full(3)], damage: [pieceDamage(4)] });
    expect(log).toMatchObject({ code: "OBJECT_DAMAGED", message: expect.stringContaining("s4.zst.age (missing)") as string, hint: expect.stringContaining("--allow-gap") as string });
    await expect(choose({ kind: "backup", backupId: id(5005) }, { backups: [full(1), full(5)], damage: [backupDamage(5)] })).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
  });

  it("never ends silently before what was asked for: the end of the log stays the end", async () => {
    const atEnd = await refusal({ kind: "latest" }, { backups: [full(1)], damage: [pieceDamage(7)] });
    expect([atEnd.code, atEnd.hint]).toEqual(["OBJECT_DAMAGED", expect.stringContaining(`--position ${FILE}:1000`)]);
    // The newest backup lies behind the stored log: nothing else has its state.
    const ahead = await refusal({ kind: "latest" }, { backups: [full(1), full(12)], damage: [backupDamage(12)] });
    expect(ahead.hint).toContain("What can be reached without it: `holdfast restore plan shop --position");
    const newer = full(2, { backupId: id(7000), chainId: id(7000), timeline: id(9) });
    expect((await refusal({ kind: "latest" }, { backups: [full(1), newer], damage: [[`backup:${id(7000)}`, "it is damaged."]] })).code).toBe("OBJECT_DAMAGED");
  });

  it("jumps over damaged log when the operator accepts the loss, and says what is lost", async () => {
    const choice = await choose({ kind: "gtid", gtid: "0-1-8" }, { backups: [full(1)], damage: [pieceDamage(4)], allowGap: true });
    expect(choice.gaps).toHaveLength(1);
    expect(choice.warnings.join()).toContain("s4.zst.age (missing)");
  });

  it("goes on without an index that cannot be read where the place is certain, and refuses where it is not", async () => {
    const stored = { backups: [full(1), full(5)], damage: [pieceDamage(2)], unread: [2] };
    expect((await choose({ kind: "gtid", gtid: "0-1-7" }, stored)).chain[0]?.backupId).toBe(id(5005));
    expect((await refusal({ kind: "gtid", gtid: "0-1-3" }, stored)).code).toBe("OBJECT_DAMAGED");
    // Nobody knows that it is damaged yet: the error is the reader's own.
    expect((await refusal({ kind: "gtid", gtid: "0-1-3" }, { ...stored, damage: [backupDamage(9)] })).message).toBe("s2.index.zst.age is altered.");
  });

  it("for any damage reaches exactly the state that was asked for without touching the damage, or refuses", async () => {
    const backups = [full(1), full(3), incremental(4, 3), full(6)];
    const subjects = [...[1, 3, 4, 6].map(backupDamage), ...[0, 1, 2, 3, 4, 5, 6, 7].map(pieceDamage)];
    const goals = fc.oneof(fc.constant({ kind: "latest" }), fc.integer({ min: 2, max: 8 }).map((second) => time(second - 0.5)), fc.integer({ min: 2, max: 8 }).map((n): RestoreGoal => ({ kind: "gtid", gtid: `0-1-${String(n)}` })));
    await fc.assert(
      fc.asyncProperty(goals, fc.subarray(subjects), async (goal, damage) => {
        const usual = await chooseRestore(question(goal, { backups, damage }));
        const tried = await choose(goal, { backups, damage }).catch((error: unknown) => error);
        if (tried instanceof Error) {
          expect(tried).toMatchObject({ code: "OBJECT_DAMAGED" });
          return;
        }
        const choice = tried as SoundChoice;
        expect(choice.stop && formatPosition(choice.stop)).toEqual(usual.stop && formatPosition(usual.stop));
        const used = [...choice.chain.map(({ backupId }) => `backup:${backupId}`), ...choice.segments.map(({ segmentId }) => `segment:${segmentId}`)];
        expect(used.filter((subject) => damage.some(([damaged]) => damaged === subject))).toEqual([]);
        expect(choice.passedOver.length > 0).toBe(choice.warnings.some((warning) => warning.includes("Passed over")));
      }),
      { numRuns: 300 },
    );
  });
});
