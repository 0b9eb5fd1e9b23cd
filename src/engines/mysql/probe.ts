import { idFactory } from "../../lib/ids.ts";
import { isoTime, systemClock } from "../../lib/clock.ts";
import type { ProbeNote, ProbeReport } from "../../model/instance.ts";
import type { EngineContext } from "../engine.ts";
import { type Session, withConnection } from "./connect.ts";
import { listTables, notOurs, placeholders, type TableInfo } from "./counts.ts";
import { copiedBytes, whyUnreadable } from "./data-directory.ts";
import { readDataIdentity } from "./identity.ts";
import { isReplica, prepareMarkers } from "./marker.ts";
import { readLogFilters } from "./log-filters.ts";
import { type MysqlConnection, mysqlConnection } from "./options.ts";
import { filterNotes, loggingOf, logNotes } from "./probe-log.ts";
import { privilegeNotes } from "./probe-privileges.ts";
import { schemasOf, tableNotes } from "./probe-tables.ts";
import { probeTools } from "./probe-tools.ts";
import { readServerFacts, type ServerFacts, unsuitable } from "./server-facts.ts";

/** What stands between this server and a good backup, as notes; only a server that cannot be reached or logged in to is an error. */
export async function probe(context: EngineContext, options: { heartbeat: boolean }, signal: AbortSignal): Promise<ProbeReport> {
  const connection = mysqlConnection(context.connection);
  return withConnection(connection, (session) => look(session, connection, options), { signal });
}

async function look(session: Session, connection: MysqlConnection, options: { heartbeat: boolean }): Promise<ProbeReport> {
  const facts = await readServerFacts(session, connection);
  const tables = await listTables(session);
  const names = await schemaNames(session);
  const { toolVersion, notes } = await notesOn(session, facts, { ...options, tables });
  const sizeBytes = (await copiedBytes(facts.dataDirectory)) ?? tables.reduce((sum, table) => sum + table.sizeBytes, 0);
  return {
    at: isoTime(systemClock.nowMs()),
    engine: "mysql",
    flavour: facts.version.flavour,
    serverVersion: facts.versionText,
    toolVersion,
    dataDirectory: facts.dataDirectory,
    sizeBytes,
    dataIdentity: await readDataIdentity(session, facts),
    logging: loggingOf(facts),
    schemas: schemasOf(tables, names),
    notes,
  };
}

async function schemaNames(session: Session): Promise<string[]> {
  const hidden = notOurs();
  const rows = await session.rows(`SELECT SCHEMA_NAME AS s FROM information_schema.SCHEMATA WHERE LOWER(SCHEMA_NAME) NOT IN (${placeholders(hidden)}) ORDER BY BINARY SCHEMA_NAME`, hidden);
  return rows.map((row) => row["s"] ?? "");
}

async function notesOn(session: Session, facts: ServerFacts, options: { heartbeat: boolean; tables: readonly TableInfo[] }): Promise<{ toolVersion: string | null; notes: ProbeNote[] }> {
  const reason = unsuitable(facts);
  if (reason !== null) return { toolVersion: null, notes: [{ level: "error", code: "database-unsuitable", message: reason.message, remedy: reason.remedy }] };
  const tools = await probeTools(facts.version);
  const replica = await isReplica(session);
  const notes = [
    ...tools.notes,
    ...(await directoryNotes(facts)),
    ...(await privilegeNotes(session, facts.version, { ...options, replica })),
    ...logNotes(facts, { replica }),
    ...filterNotes(await readLogFilters(session, facts)),
    ...tableNotes(options.tables),
    ...(options.heartbeat ? await markerNotes(session, facts) : []),
  ];
  return { toolVersion: tools.toolVersion, notes };
}

async function directoryNotes(facts: ServerFacts): Promise<ProbeNote[]> {
  const why = await whyUnreadable(facts.dataDirectory);
  if (why === null) return [];
  return [
    {
      level: "error",
      code: "data-directory",
      message: `The data directory ${facts.dataDirectory} cannot be read from here (${why}), so no backup can be taken.`,
      remedy: "Run Holdfast on the server's machine as a user that can read the data directory, or set connection.dataDirectory to where it lies.",
    },
  ];
}

async function markerNotes(session: Session, facts: ServerFacts): Promise<ProbeNote[]> {
  const reason = await prepareMarkers(session, facts, idFactory());
  if (reason === null) return [];
  return [{ level: "warning", code: "no-marker", message: `No marker row can be written, so a replay is proven by counts alone: ${reason}`, remedy: "Grant what the note on heartbeat privileges shows, or set heartbeat: false in the policy." }];
}
