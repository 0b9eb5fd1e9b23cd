import { mkdir } from "node:fs/promises";
import { HoldfastError } from "../../lib/errors.ts";
import { idFactory } from "../../lib/ids.ts";
import type { BackupOrder } from "../../model/job.ts";
import type { BackupSource, EngineContext } from "../engine.ts";
import { backupArguments, lsnDirectory, targetDirectory } from "./backup-command.ts";
import { backupFacts, type FactsRun } from "./backup-facts.ts";
import { watchBackup } from "./backup-stream.ts";
import { readCheckpoints } from "./checkpoint-file.ts";
import { type Session, withConnection } from "./connect.ts";
import { copiedBytes } from "./data-directory.ts";
import { writeDefaultsFile } from "./defaults-file.ts";
import { readDataIdentity } from "./identity.ts";
import { prepareMarkers } from "./marker.ts";
import { type MysqlConnection, mysqlConnection } from "./options.ts";
import { parentOf, requireOrdered, requireParentFits } from "./parent-fit.ts";
import { type Ready, requireReady } from "./preflight.ts";
import { currentLsn, redoCapacity } from "./server-facts.ts";
import { knownOptions, requireOptions } from "./tools.ts";

type Ordered = Pick<BackupOrder, "backupKind" | "parent" | "rowCounts" | "heartbeat" | "lockMaxMs">;

interface Started extends Ready {
  readonly dataIdentity: string;
  /** Why no marker can be written; null when it can. */
  readonly noMarker: string | null;
}

/**
 * Starts a hot backup with mariadb-backup. Throws before anything runs: TOOL_MISSING, TOOL_VERSION, PRIVILEGE_MISSING,
 * DATABASE_UNSUITABLE, and CHAIN_BROKEN or LINEAGE_CHANGED when an incremental does not fit its parent.
 */
export async function startBackup(context: EngineContext, order: Ordered, signal: AbortSignal): Promise<BackupSource> {
  const connection = mysqlConnection(context.connection);
  const parent = parentOf(order);
  const started = await withConnection(connection, (session) => begin(session, connection, order), { signal });
  const args = await commandLine(context, connection, { started, order });
  // Before the tool runs: once it does, its output must be taken at once.
  const expectedBytes = order.backupKind === "full" ? await copiedBytes(started.facts.dataDirectory) : null;
  const watched = watchBackup({
    file: started.tool.file,
    args,
    signal,
    lockMaxMs: order.lockMaxMs ?? null,
    check: async () => {
      requireOrdered(await readCheckpoints(lsnDirectory(context.scratchDir)), order.backupKind, parent);
    },
  });
  context.log.info({ tool: started.tool.version?.text, kind: order.backupKind, dataIdentity: started.dataIdentity }, "the backup tool was started");
  return {
    format: "mbstream",
    stream: watched.stream,
    expectedBytes,
    redo: redoCapacity(started.facts.variables),
    phase: () => watched.phase(),
    facts: () => {
      const files = watched.files();
      if (files === null) return Promise.reject(new HoldfastError("INTERNAL", "The facts of a backup were asked for before its stream had ended well."));
      return backupFacts(factsRun(context, { connection, started, order }), files, signal);
    },
  };
}

async function begin(session: Session, connection: MysqlConnection, order: Ordered): Promise<Started> {
  const ready = await requireReady(session, connection);
  const noMarker = order.heartbeat ? await prepareMarkers(session, ready.facts, idFactory()) : "The policy wants no marker.";
  const dataIdentity = await readDataIdentity(session, ready.facts);
  const parent = parentOf(order);
  if (parent !== null) requireParentFits(parent, { dataIdentity, version: ready.facts.version, currentLsn: await currentLsn(session) });
  return { ...ready, dataIdentity, noMarker };
}

async function commandLine(context: EngineContext, connection: MysqlConnection, run: { started: Started; order: Ordered }): Promise<string[]> {
  const { scratchDir } = context;
  for (const dir of [lsnDirectory(scratchDir), targetDirectory(scratchDir)]) await mkdir(dir, { mode: 0o700 });
  const { facts, tool } = run.started;
  const defaultsFile = await writeDefaultsFile(scratchDir, connection, "backup.cnf");
  const args = backupArguments({ defaultsFile, dataDirectory: facts.dataDirectory, scratchDir, incrementalLsn: parentOf(run.order)?.toLsn ?? null });
  requireOptions(tool, await knownOptions(tool), args);
  return args;
}

function factsRun(context: EngineContext, run: { connection: MysqlConnection; started: Started; order: Ordered }): FactsRun {
  const { connection, started, order } = run;
  return {
    connection,
    lsnDir: lsnDirectory(context.scratchDir),
    facts: started.facts,
    toolVersion: started.tool.version?.text ?? "unknown",
    dataIdentity: started.dataIdentity,
    rowCounts: order.rowCounts,
    heartbeatValue: started.noMarker === null ? idFactory()() : null,
    noMarker: order.heartbeat ? started.noMarker : null,
    log: context.log,
  };
}
