import type { Backup } from "../../src/model/backup.ts";
import type { InstanceSummary } from "../../src/model/api/instances.ts";
import type { ProbeReport } from "../../src/model/instance.ts";
import type { Job } from "../../src/model/job.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import type { CheckResult } from "../../src/model/check.ts";
import type { RestorePlan, RestoreResult } from "../../src/model/restore.ts";
import type { Finding, VerificationReport, VerificationResult } from "../../src/model/verification.ts";

/** Whole documents of the API, for tests of what is made of them. */

export const id = (number: number): string => `01K${String(number).padStart(23, "0")}`;
export const NOW = "2026-11-21T14:00:00.000Z";
const hash = "ab".repeat(32);
const part = (name: string) => ({ name, sizeBytes: 1_000, sha256: hash, plainBytes: 4_000 });
const position = { file: "mariadb-bin.000017", position: 4_711, gtid: "0-1-4711" };

const facts = {
  flavour: "MariaDB",
  serverVersion: "10.11.8",
  toolVersion: "10.11.8",
  dataIdentity: "server-a",
  fromLsn: "0",
  toLsn: "9007199254740993",
  logPosition: position,
  recordedPosition: position,
  fileCount: 120,
};

export function backup(overrides: Partial<Backup> = {}): Backup {
  return {
    backupId: id(1),
    instanceId: id(90),
    instanceName: "shop",
    policy: "daily",
    jobId: id(50),
    repository: "main",
    kind: "full",
    parentId: null,
    chainId: id(1),
    timeline: id(80),
    scheduledAt: "2026-11-21T02:00:00.000Z",
    startedAt: "2026-11-21T02:00:01.000Z",
    endedAt: "2026-11-21T02:10:00.000Z",
    committedAt: "2026-11-21T02:10:01.000Z",
    streamBytes: 3_221_225_472,
    storedBytes: 805_306_368,
    packCount: 48,
    facts,
    holds: [],
    verification: null,
    ...overrides,
  };
}

export function job(overrides: Partial<Job> = {}): Job {
  return {
    jobId: id(50),
    kind: "backup",
    instanceId: id(90),
    instanceName: "shop",
    policy: "daily",
    scheduledAt: NOW,
    state: "running",
    subject: "full",
    createdAt: NOW,
    endedAt: null,
    cancelRequested: false,
    attempts: [attempt()],
    error: null,
    result: null,
    ...overrides,
  };
}

export function attempt(overrides: Partial<Job["attempts"][number]> = {}): Job["attempts"][number] {
  return {
    attemptId: id(60),
    jobId: id(50),
    number: 1,
    agent: "local",
    state: "running",
    startedAt: NOW,
    endedAt: null,
    progress: { phase: "copying", doneBytes: 1_073_741_824, totalBytes: 3_221_225_472, rateInBytesPerS: 104_857_600, rateOutBytesPerS: 26_214_400, etaMs: 20_000, message: "" },
    error: null,
    ...overrides,
  };
}

export const succeeded = (result: unknown = null, overrides: Partial<Job> = {}): Job => job({ state: "succeeded", endedAt: NOW, result, ...overrides });

export function instance(overrides: Partial<InstanceSummary> = {}): InstanceSummary {
  return {
    id: id(90),
    name: "shop",
    engine: "mysql",
    policy: "daily",
    region: "local",
    timeZone: "Europe/Berlin",
    owner: null,
    createdAt: NOW,
    removedAt: null,
    lastFullAt: "2026-11-21T02:10:00.000Z",
    lastBackupAt: "2026-11-21T12:00:00.000Z",
    lastVerifiedAt: "2026-11-21T12:30:00.000Z",
    reachableFrom: "2026-11-14T02:10:00.000Z",
    reachableTo: "2026-11-21T13:59:51.000Z",
    backupCount: 9,
    openFindings: 1,
    ...overrides,
  };
}

export const finding: Finding = {
  findingId: id(70),
  kind: "verification-failed",
  subject: `backup:${id(1)}`,
  severity: "critical",
  message: "A backup of shop did not pass its verification.",
  remedy: "Take a new full backup and verify it.",
  openedAt: "2026-11-21T13:00:00.000Z",
  closedAt: null,
};

export const probe = (notes: ProbeReport["notes"] = []): ProbeReport => ({
  at: NOW,
  engine: "mysql",
  flavour: "MariaDB",
  serverVersion: "10.11.8",
  toolVersion: "10.11.8",
  dataDirectory: "/var/lib/mysql",
  sizeBytes: 3_221_225_472,
  dataIdentity: "server-a",
  logging: { enabled: true, format: "ROW", facts: { sync_binlog: "1" } },
  schemas: [{ name: "shop", sizeBytes: 3_000_000_000, tables: [{ name: "orders", engine: "InnoDB", rowsEstimate: 1_000_000, sizeBytes: 3_000_000_000 }] }],
  notes,
});

export const manifest: Manifest = {
  formatVersion: 1,
  repositoryId: id(85),
  backupId: id(1),
  jobId: id(50),
  instance: { id: id(90), name: "shop", engine: "mysql" },
  policy: "daily",
  kind: "full",
  parentId: null,
  chainId: id(1),
  timeline: id(80),
  scheduledAt: NOW,
  startedAt: NOW,
  endedAt: NOW,
  stream: { format: "xbstream", sizeBytes: 4_000 },
  packs: [part("000000.zst.age")],
  index: part("index.zst.age"),
  recipients: ["age1daily", "age1escrow"],
  facts,
};

const stop = { file: "mariadb-bin.000017", position: 4_711, lastGroup: group("0-1-4711", "INSERT INTO orders"), nextGroup: group("0-1-4712", "DROP TABLE `orders`"), doubts: [] };

function group(gtid: string, statement: string) {
  return { start: 4, end: 4_711, gtid, stampS: Date.parse(NOW) / 1_000, durationS: 0, statement, ddl: false, threadId: 7, tables: [] };
}

export function plan(overrides: Partial<RestorePlan> = {}): RestorePlan {
  const ref = { backupId: id(1), kind: "full" as const, parentId: null, repository: "main", prefix: "x/backups/y/", streamFormat: "xbstream", streamBytes: 3_221_225_472, packs: [part("000000.zst.age")], index: part("index.zst.age"), facts };
  return {
    instanceId: id(90),
    instanceName: "shop",
    engine: "mysql",
    goal: { kind: "time", at: NOW },
    chain: [ref],
    segments: [],
    start: position,
    stop,
    gaps: [],
    steps: [
      { name: "fetch", description: "fetch and unpack 1 backup", bytes: 805_306_368, expectedMs: 61_000 },
      { name: "prepare", description: "apply the redo log", bytes: 0, expectedMs: null },
    ],
    bytesToFetch: 805_306_368,
    expectedMs: null,
    warnings: [],
    passedOver: [],
    ...overrides,
  };
}

export const restored: RestoreResult = {
  targetPath: "/srv/restored",
  reached: position,
  phases: [{ name: "fetch", durationMs: 61_000, bytes: 805_306_368 }],
  totalMs: 75_000,
  server: { socket: "/srv/restored/restored.sock", pid: 4_242, user: "mysql" },
  notes: [],
};

export function verified(status: "passed" | "failed"): VerificationResult {
  return {
    tier: "T4",
    status,
    checks: [
      { tier: "T0", name: "stored bytes", status: "passed", detail: "50 objects, 805306368 bytes hashed", differences: [] },
      { tier: "T4", name: "exact row counts", status, detail: "12 tables, 1000000 rows at the recorded position", differences: status === "failed" ? ["shop.orders has 9 rows, not 10"] : [] },
    ],
    phases: [{ name: "hash", durationMs: 2_000, bytes: 805_306_368 }],
    replayedTo: position,
    counts: [],
    toolVersions: { "mariadb-backup": "10.11.8" },
  };
}

export const report: VerificationReport = {
  formatVersion: 1,
  verificationId: id(40),
  repositoryId: id(85),
  instance: { id: id(90), name: "shop" },
  backupId: id(1),
  chain: [id(1)],
  segmentIds: [],
  tier: "T4",
  status: "passed",
  startedAt: NOW,
  endedAt: NOW,
  checks: verified("passed").checks,
  phases: [],
  restoreMs: 75_000,
  replayedTo: position,
  toolVersions: {},
};

export const coverage = {
  instanceId: id(90),
  intervals: [{ timeline: id(80), from: { ...position, position: 4 }, to: position, fromTime: NOW, toTime: NOW, sizeBytes: 4_707, pieceCount: 3, backupIds: [id(1)] }],
  gaps: [{ timeline: id(80), after: position, before: null, message: "mariadb-bin.000018 was purged before it was shipped." }],
};

export const found = {
  changes: [
    { timeline: id(9), gtid: "0-1-4711", file: "mariadb-bin.000017", position: 8123, previousGtid: "0-1-4710", at: "2026-11-21T14:02:59.000Z", durationS: 2, threadId: 42, action: "drop", rows: null, statement: "DROP TABLE `orders`" },
    { timeline: id(9), gtid: "0-1-4712", file: "mariadb-bin.000017", position: 9000, previousGtid: null, at: "2026-11-21T14:03:00.000Z", durationS: 0, threadId: null, action: "delete", rows: { inserted: 0, updated: 1, deleted: 1000 }, statement: "DELETE FROM orders\u001b[31m" },
  ],
  searchedGroups: 10,
  notes: ["3 more transactions changed rows of this table."],
  timeZone: "Europe/Berlin",
};

export function checked(overrides: Partial<CheckResult> = {}): CheckResult {
  return { repository: "main", depth: "hash", sample: null, known: { objects: 50, bytes: 1_000 }, read: { objects: 50, bytes: 1_000 }, continued: null, problems: [], unknown: [], ...overrides };
}
