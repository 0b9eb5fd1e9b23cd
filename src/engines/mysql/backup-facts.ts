import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import type { Log } from "../../lib/log.ts";
import type { IndexedFile, ServerDetails } from "../../model/backup-index.ts";
import type { BackupFacts } from "../../model/manifest.ts";
import type { RowCounts } from "../../model/policy.ts";
import { readBackupInfo } from "./backup-info.ts";
import { readCheckpoints } from "./checkpoint-file.ts";
import { type Session, withConnection } from "./connect.ts";
import { readDataIdentity } from "./identity.ts";
import type { MysqlConnection } from "./options.ts";
import { record, type Recorded } from "./recorded.ts";
import { describeServer } from "./server-details.ts";
import { readServerFacts, type ServerFacts } from "./server-facts.ts";

/** What is known when a backup's stream has ended well. */
export interface FactsRun {
  readonly connection: MysqlConnection;
  readonly lsnDir: string;
  readonly facts: ServerFacts;
  readonly toolVersion: string;
  readonly dataIdentity: string;
  readonly rowCounts: RowCounts;
  /** Value of the marker row to write; null when none can be written. */
  readonly heartbeatValue: string | null;
  /** Why a marker that the policy wants cannot be written. */
  readonly noMarker: string | null;
  readonly log: Log;
}

const NOTHING_RECORDED: Recorded = { position: null, counts: [], heartbeat: null, omissions: [] };

/**
 * The facts of a finished backup and the description of its server. The bytes are whole and stored by now, so what
 * cannot be read any more becomes an omission; only data that changed under the backup (LINEAGE_CHANGED) and the signal
 * still end it.
 */
export async function backupFacts(run: FactsRun, files: IndexedFile[], signal: AbortSignal): Promise<{ facts: BackupFacts; files: IndexedFile[]; server: ServerDetails }> {
  const checkpoints = await readCheckpoints(run.lsnDir);
  const info = await readBackupInfo(run.lsnDir);
  const { recorded, server } = await recordServer(run, signal);
  const facts: BackupFacts = {
    flavour: run.facts.version.flavour,
    serverVersion: run.facts.versionText,
    toolVersion: info.toolVersion === "" ? run.toolVersion : info.toolVersion,
    dataIdentity: run.dataIdentity,
    fromLsn: String(checkpoints.fromLsn),
    toLsn: String(checkpoints.toLsn),
    logPosition: info.logPosition,
    recordedPosition: recorded.position,
    fileCount: files.length,
  };
  return { facts, files, server };
}

async function recordServer(run: FactsRun, signal: AbortSignal): Promise<{ recorded: Recorded; server: ServerDetails }> {
  const omissions = run.noMarker === null ? [] : [`No marker row was written: ${run.noMarker}`];
  const orElse = async <T>(what: string, fallback: T, read: () => Promise<T>): Promise<T> => {
    try {
      return await read();
    } catch (error) {
      signal.throwIfAborted();
      if (isHoldfastError(error, "LINEAGE_CHANGED")) throw error;
      omissions.push(`${what} could not be recorded: ${error instanceof Error ? error.message : String(error)}`);
      run.log.warn({ error: error instanceof Error ? error.message : String(error) }, `${what} could not be recorded`);
      return fallback;
    }
  };
  await orElse("The identity of the data after the backup", undefined, () => connected(run, signal, (session) => requireSameData(run, session)));
  let described: Promise<Described> | undefined;
  const describe = (): Promise<Described> => (described ??= orElse("The server", NOTHING_DESCRIBED, () => connected(run, signal, (session) => describeServer(session, run.facts, signal))));
  const options = { rowCounts: run.rowCounts, heartbeatValue: run.heartbeatValue, onSnapshot: () => void describe().catch(() => undefined) };
  // Definitions are read while the rows are counted: both belong to the moment of the snapshot.
  const recorded = await orElse("Row counts", NOTHING_RECORDED, () => connected(run, signal, (session) => record(session, run.facts, options)));
  const server = await describe();
  return { recorded, server: { ...server, counts: recorded.counts, heartbeat: recorded.heartbeat, omissions: [...omissions, ...recorded.omissions, ...server.omissions] } };
}

type Described = Omit<ServerDetails, "counts" | "heartbeat">;
const NOTHING_DESCRIBED: Described = { variables: {}, plugins: [], configFiles: [], grants: [], objects: [], omissions: [] };

function connected<T>(run: FactsRun, signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
  return withConnection(run.connection, work, { signal });
}

async function requireSameData(run: FactsRun, session: Session): Promise<void> {
  const now = await readDataIdentity(session, await readServerFacts(session, run.connection));
  if (now !== run.dataIdentity) {
    throw new HoldfastError("LINEAGE_CHANGED", `The server's data changed during the backup: it was ${run.dataIdentity} at the start and is ${now} now.`);
  }
}
