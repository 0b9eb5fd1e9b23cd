import type { Generated, Kysely } from "kysely";

/**
 * The catalog's tables as Kysely sees them. Columns are camelCase here and snake_case in the database. Instants are ISO
 * text, `…Ms` are milliseconds since 1970, LSNs are decimal text, flags are 0 or 1, and what is called JSON is text that
 * the statement functions parse with the model's schemas.
 */
export interface CatalogSchema {
  setting: SettingTable;
  policy: PolicyTable;
  repository: RepositoryTable;
  instance: InstanceTable;
  timeline: TimelineTable;
  scheduleMark: ScheduleMarkTable;
  job: JobTable;
  attempt: AttemptTable;
  logGrant: LogGrantTable;
  backup: BackupTable;
  logPiece: LogPieceTable;
  pendingPiece: PendingPieceTable;
  doomedObject: DoomedObjectTable;
  hold: HoldTable;
  verification: VerificationTable;
  finding: FindingTable;
  probe: ProbeTable;
  objectCheck: ObjectCheckTable;
  keptDocument: KeptDocumentTable;
  token: TokenTable;
  agent: AgentTable;
  invitation: InvitationTable;
  givenAnswer: GivenAnswerTable;
  event: EventTable;
}

/** What every statement function takes first; a transaction is one, too. */
export type CatalogDb = Kysely<CatalogSchema>;

interface SettingTable {
  key: string;
  value: string;
}

interface PolicyTable {
  name: string;
  /** JSON of a parsed Policy. */
  spec: string;
  version: number;
}

interface RepositoryTable {
  name: string;
  kind: string;
  /** JSON, as the configuration gives it. */
  options: string;
  /** Null until the repository was opened for the first time. */
  repositoryId: string | null;
}

interface InstanceTable {
  id: string;
  name: string;
  engine: string;
  policy: string;
  region: string;
  timeZone: string;
  owner: string | null;
  /** JSON in the engine's connection form. */
  connection: string;
  /** Agents of this pool serve it. */
  pool: Generated<string>;
  createdAt: string;
  removedAt: string | null;
}

/** Lineages of an instance's log; the newest id is the current one. */
interface TimelineTable {
  id: string;
  instanceId: string;
  /** Null until a backup or a piece of log told it. */
  dataIdentity: string | null;
  createdAt: string;
}

/** How far each schedule of an instance has come. */
interface ScheduleMarkTable {
  /** `instance-id track`. */
  key: string;
  instanceId: string;
  track: string;
  scheduledAtMs: number;
}

interface JobTable {
  id: string;
  kind: string;
  instanceId: string | null;
  policy: string | null;
  scheduledAt: string;
  /** Unique; null for jobs that no schedule made. */
  scheduleKey: string | null;
  state: string;
  subject: string;
  /** JSON of JobParams. */
  params: string;
  /** Not given to an agent before this. */
  notBeforeMs: number;
  attemptCount: number;
  cancelRequested: number;
  createdAt: string;
  endedAt: string | null;
  result: string | null;
  error: string | null;
}

interface AttemptTable {
  id: string;
  jobId: string;
  number: number;
  agent: string;
  state: string;
  fencingToken: number;
  leaseExpiresAtMs: number;
  /** Where it writes: repository, log lineage, and the latest expiry of a grant to write. */
  repository: string;
  timeline: string;
  lastGrantExpiresAtMs: number;
  /** JSON of the Work in its order: tells what it may read and what it was asked to do. */
  work: string;
  startedAt: string;
  endedAt: string | null;
  progress: string | null;
  error: string | null;
  /** The signed manifest, from the moment the attempt is `committing`. */
  commitDocument: string | null;
  /** JSON of what the job's result will be. */
  commitResult: string | null;
  /** Set when the objects of an attempt that came to nothing have been deleted. */
  sweptAt: string | null;
}

/** Objects of log that an agent may have written and that no committed piece names yet. */
interface LogGrantTable {
  key: string;
  repository: string;
  attemptId: string;
  segmentId: string;
  expiresAtMs: number;
}

interface BackupTable {
  id: string;
  instanceId: string;
  instanceName: string;
  policy: string;
  jobId: string;
  repository: string;
  kind: string;
  parentId: string | null;
  chainId: string;
  timeline: string;
  scheduledAt: string;
  startedAt: string;
  endedAt: string;
  committedAt: string;
  streamBytes: number;
  storedBytes: number;
  packCount: number;
  dataIdentity: string;
  toLsn: string;
  /** JSON of BackupFacts. */
  facts: string;
  /** JSON of Manifest, and size and SHA-256 of the stored signed document. */
  manifest: string;
  manifestBytes: number;
  manifestSha256: string;
  /** Null for a backup that was taken itself. */
  resealedFrom: string | null;
}

interface LogPieceTable {
  id: string;
  instanceId: string;
  timeline: string;
  repository: string;
  kind: string;
  file: string;
  fileNumber: number;
  startPosition: number;
  endPosition: number;
  closesFile: number;
  storedBytes: number;
  groupCount: number;
  firstStampS: number | null;
  lastStampS: number | null;
  committedAt: string;
  /** JSON of LogSegment, and size and SHA-256 of the stored signed document. */
  segment: string;
  documentBytes: number;
  documentSha256: string;
}

/** Pieces whose signed document is decided but perhaps not stored yet; finished at the next start. */
interface PendingPieceTable {
  id: string;
  attemptId: string;
  repository: string;
  /** The signed document. */
  document: string;
  createdAt: string;
}

/** Objects that the catalog has given up and that are still to be deleted, lowest `rank` first. */
interface DoomedObjectTable {
  key: string;
  repository: string;
  rank: number;
  notBeforeMs: Generated<number>;
  /** Of a tail: the segment that took its place, and the attempt that committed it (not known after a rebuild). */
  replacedBy: string | null;
  replacedByAttempt: string | null;
  /** Why it is not deleted even when its time has come; null when it may go. */
  keptBecause: string | null;
}

interface HoldTable {
  id: string;
  backupId: string;
  reason: string;
  by: string;
  at: string;
  releasedAt: string | null;
  releasedBy: string | null;
}

interface VerificationTable {
  id: string;
  backupId: string;
  instanceId: string;
  tier: string;
  status: string;
  at: string;
  restoreMs: number;
  /** The signed report. */
  document: string;
  /** JSON of the row counts it found; null when it counted nothing or the catalog was rebuilt. */
  counts: string | null;
}

interface FindingTable {
  id: string;
  kind: string;
  subject: string;
  /** `kind subject` while it is open, null afterwards: one open finding of each. */
  openKey: string | null;
  severity: string;
  message: string;
  remedy: string;
  openedAt: string;
  closedAt: string | null;
}

interface ProbeTable {
  instanceId: string;
  at: string;
  /** JSON of ProbeReport. */
  report: string;
}

/** What repository checks have learnt of an object. */
interface ObjectCheckTable {
  /** `repository key`. */
  id: string;
  repository: string;
  key: string;
  /** What it belongs to, as a finding's subject. */
  owner: string;
  /** The check that read it last; null when none has. */
  lastCheckId: string | null;
  readAt: string | null;
  readBytes: number;
  /** What is known to be wrong with it; null when nothing is. */
  problem: string | null;
  detail: string | null;
  /** SHA-256 of what lies in its place, when that is not what should. */
  foundSha256: string | null;
}

/** A signed document that must lie in a repository and that no other table stands for. */
interface KeptDocumentTable {
  /** `repository key`. */
  id: string;
  repository: string;
  key: string;
  sizeBytes: number;
  sha256: string;
}

/** Tokens of people and programs; what is kept of the secret is its hash. */
interface TokenTable {
  id: string;
  name: string;
  role: string;
  secretHash: string;
  createdAt: string;
  createdBy: string;
  /** Null: until it is revoked. */
  expiresAt: string | null;
  revokedAt: string | null;
}

/** Agents of other machines. */
interface AgentTable {
  id: string;
  name: string;
  /** The name until it is revoked, null afterwards: one of each. */
  openName: string | null;
  /** JSON: names of pools; names and texts. */
  pools: string;
  labels: string;
  secretHash: string;
  /** Of a rotated token that was not used yet. */
  nextSecretHash: string | null;
  /** Of the process that began last with this identity. */
  session: string | null;
  joinedAt: string;
  lastSeenAt: string | null;
  drainedAt: string | null;
  revokedAt: string | null;
}

/** Tokens with which agents join, once. */
interface InvitationTable {
  id: string;
  secretHash: string;
  /** The only name it is for; null for any. */
  name: string | null;
  pools: string;
  labels: string;
  createdAt: string;
  createdBy: string;
  expiresAt: string;
  usedAt: string | null;
  agentId: string | null;
}

/** What was answered to a request that carried a key; forgotten after a day. */
interface GivenAnswerTable {
  /** Hash of caller and key. */
  id: string;
  requestSha256: string;
  beganAtMs: number;
  isDone: number;
  /** JSON; null until it is done, and where the answer holds a secret. */
  answer: string | null;
}

/** What has changed, in the order in which it did. */
interface EventTable {
  id: Generated<number>;
  kind: string;
  subjectId: string;
}
