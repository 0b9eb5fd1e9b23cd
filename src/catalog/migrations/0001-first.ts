import type { CreateTableBuilder, Kysely } from "kysely";
import type { Migration } from "./index.ts";

type Builder = CreateTableBuilder<string>;

/** Columns of text, or whole numbers when the name is written `name:int`; a trailing `?` allows null. */
function columns(builder: Builder, ...names: readonly string[]): Builder {
  return names.reduce((table, name) => {
    const nullable = name.endsWith("?");
    const [column = "", type = "text"] = name.replace("?", "").split(":");
    return table.addColumn(column, type === "int" ? "bigint" : "text", (spec) => (nullable ? spec : spec.notNull()));
  }, builder);
}

async function table(db: Kysely<unknown>, name: string, key: string, ...names: readonly string[]): Promise<void> {
  const builder = db.schema.createTable(name).addColumn(key, "text", (spec) => spec.primaryKey().notNull());
  await columns(builder, ...names).execute();
}

async function configuration(db: Kysely<unknown>): Promise<void> {
  await table(db, "setting", "key", "value");
  await table(db, "policy", "name", "spec", "version:int");
  await table(db, "repository", "name", "kind", "options", "repositoryId?");
  await table(db, "instance", "id", "name", "engine", "policy", "region", "timeZone", "owner?", "connection", "createdAt", "removedAt?");
  await db.schema.createIndex("instanceByName").on("instance").columns(["name"]).unique().execute();
  await table(db, "timeline", "id", "instanceId", "dataIdentity?", "createdAt");
  await db.schema.createIndex("timelineByInstance").on("timeline").columns(["instanceId", "id"]).execute();
  await table(db, "probe", "instanceId", "at", "report");
}

async function work(db: Kysely<unknown>): Promise<void> {
  await table(db, "scheduleMark", "key", "instanceId", "track", "scheduledAtMs:int");
  await table(db, "job", "id", "kind", "instanceId?", "policy?", "scheduledAt", "scheduleKey?", "state", "subject", "params",
    "notBeforeMs:int", "attemptCount:int", "cancelRequested:int", "createdAt", "endedAt?", "result?", "error?"); // prettier-ignore
  await db.schema.createIndex("jobBySchedule").on("job").columns(["scheduleKey"]).unique().execute();
  await db.schema.createIndex("jobByState").on("job").columns(["state", "kind", "id"]).execute();
  await db.schema.createIndex("jobByInstance").on("job").columns(["instanceId", "kind", "id"]).execute();
  await table(db, "attempt", "id", "jobId", "number:int", "agent", "state", "fencingToken:int", "leaseExpiresAtMs:int", "repository",
    "timeline", "lastGrantExpiresAtMs:int", "work", "startedAt", "endedAt?", "progress?", "error?", "commitDocument?", "commitResult?", "sweptAt?"); // prettier-ignore
  await db.schema.createIndex("attemptByJob").on("attempt").columns(["jobId", "number"]).unique().execute();
  await db.schema.createIndex("attemptByState").on("attempt").columns(["state", "leaseExpiresAtMs"]).execute();
  await db.schema.createIndex("attemptByToken").on("attempt").columns(["fencingToken"]).unique().execute();
}

async function stored(db: Kysely<unknown>): Promise<void> {
  await table(db, "backup", "id", "instanceId", "instanceName", "policy", "jobId", "repository", "kind", "parentId?", "chainId", "timeline",
    "scheduledAt", "startedAt", "endedAt", "committedAt", "streamBytes:int", "storedBytes:int", "packCount:int", "dataIdentity", "toLsn",
    "facts", "manifest", "manifestBytes:int", "manifestSha256"); // prettier-ignore
  await db.schema.createIndex("backupByInstance").on("backup").columns(["instanceId", "id"]).execute();
  await db.schema.createIndex("backupByChain").on("backup").columns(["chainId", "id"]).execute();
  await db.schema.createIndex("backupByRepository").on("backup").columns(["repository", "id"]).execute();
  await table(db, "logPiece", "id", "instanceId", "timeline", "repository", "kind", "file", "fileNumber:int", "startPosition:int",
    "endPosition:int", "closesFile:int", "storedBytes:int", "groupCount:int", "firstStampS:int?", "lastStampS:int?", "committedAt", "segment",
    "documentBytes:int", "documentSha256"); // prettier-ignore
  await db.schema.createIndex("logPieceByPlace").on("logPiece").columns(["instanceId", "timeline", "fileNumber", "startPosition"]).execute();
  await db.schema.createIndex("logPieceByRepository").on("logPiece").columns(["repository", "id"]).execute();
  await table(db, "logGrant", "key", "repository", "attemptId", "segmentId", "expiresAtMs:int");
  await db.schema.createIndex("logGrantByExpiry").on("logGrant").columns(["expiresAtMs"]).execute();
  await db.schema.createIndex("logGrantBySegment").on("logGrant").columns(["segmentId"]).execute();
  await table(db, "pendingPiece", "id", "attemptId", "repository", "document", "createdAt");
  await table(db, "doomedObject", "key", "repository", "rank:int");
}

async function evidence(db: Kysely<unknown>): Promise<void> {
  await table(db, "hold", "id", "backupId", "reason", "by", "at", "releasedAt?", "releasedBy?");
  await db.schema.createIndex("holdByBackup").on("hold").columns(["backupId", "id"]).execute();
  await table(db, "verification", "id", "backupId", "instanceId", "tier", "status", "at", "restoreMs:int", "document", "counts?");
  await db.schema.createIndex("verificationByBackup").on("verification").columns(["backupId", "id"]).execute();
  await db.schema.createIndex("verificationByInstance").on("verification").columns(["instanceId", "id"]).execute();
  await table(db, "finding", "id", "kind", "subject", "openKey?", "severity", "message", "remedy", "openedAt", "closedAt?");
  await db.schema.createIndex("findingByOpenKey").on("finding").columns(["openKey"]).unique().execute();
}

export const first: Migration = {
  number: 1,
  name: "first",
  async up(db) {
    await configuration(db);
    await work(db);
    await stored(db);
    await evidence(db);
  },
};
