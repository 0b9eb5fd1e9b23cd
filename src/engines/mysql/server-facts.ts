import { HoldfastError } from "../../lib/errors.ts";
import type { Session } from "./connect.ts";
import type { MysqlConnection } from "./options.ts";
import { isAtLeast, parseVersion, type Version } from "./versions.ts";

/** What a server says of itself. */
export interface ServerFacts {
  readonly version: Version;
  /** As the server prints it. */
  readonly versionText: string;
  /** Global variables by lower-case name. */
  readonly variables: ReadonlyMap<string, string>;
  /** Where its data lies as seen from here, without a slash at the end. */
  readonly dataDirectory: string;
}

/** Asks for version and variables; DATABASE_UNSUITABLE when the server tells no version that can be read. */
export async function readServerFacts(session: Session, connection: Pick<MysqlConnection, "dataDirectory">): Promise<ServerFacts> {
  const rows = await session.rows("SHOW GLOBAL VARIABLES");
  const variables = new Map(rows.map((row) => [(row["Variable_name"] ?? "").toLowerCase(), row["Value"] ?? ""]));
  const versionText = variables.get("version") ?? session.serverVersion;
  const version = parseVersion(versionText, variables.get("version_comment") ?? "");
  if (version === null) {
    throw new HoldfastError("DATABASE_UNSUITABLE", `The server says its version is "${versionText}", which is no version that Holdfast can read.`, { hint: "Holdfast backs up MariaDB 10.4 and later." });
  }
  const dataDirectory = (connection.dataDirectory ?? variables.get("datadir") ?? "").replace(/\/+$/, "");
  return { version, versionText, variables, dataDirectory };
}

/**
 * Why a physical backup of this server is not possible, with the remedy; null when it is. mariadb-backup serves MariaDB
 * alone, BACKUP STAGE begins with 10.4, and with innodb_log_archive=ON (MariaDB 13.0) it fails.
 */
export function unsuitable(facts: Pick<ServerFacts, "version" | "variables">): { message: string; remedy: string } | null {
  const { version, variables } = facts;
  if (version.flavour !== "mariadb") {
    return {
      message: `This server is ${version.flavour === "percona" ? "Percona Server" : "MySQL"} ${version.text}; its data cannot be backed up physically, because mariadb-backup serves MariaDB only.`,
      remedy: "Back up a MariaDB server of version 10.4 or later.",
    };
  }
  if (!isAtLeast(version, 10, 4)) {
    return { message: `This server is MariaDB ${version.text}, which knows no backup locks (BACKUP STAGE).`, remedy: "Upgrade the server to MariaDB 10.4 or later." };
  }
  if (/^(?:on|1)$/i.test(variables.get("innodb_log_archive") ?? "")) {
    return { message: "innodb_log_archive is ON, and mariadb-backup fails on such a server.", remedy: "SET GLOBAL innodb_log_archive=OFF, and in the server's option file." };
  }
  return null;
}

/** Throws DATABASE_UNSUITABLE when no physical backup of this server is possible. */
export function requireSuitable(facts: Pick<ServerFacts, "version" | "variables">): void {
  const reason = unsuitable(facts);
  if (reason !== null) throw new HoldfastError("DATABASE_UNSUITABLE", reason.message, { hint: reason.remedy });
}

/** InnoDB's current log sequence number; null when the server does not tell it to this account. */
export async function currentLsn(session: Session): Promise<bigint | null> {
  const row = await session.row("SHOW GLOBAL STATUS LIKE 'Innodb_lsn_current'");
  const lsn = row?.["Value"] ?? "";
  return /^\d+$/.test(lsn) ? BigInt(lsn) : null;
}

/** What the server's redo log holds before it is written over; null when the server does not tell. */
export function redoCapacity(variables: ReadonlyMap<string, string>): { capacityBytes: number; setting: string } | null {
  const sizeBytes = Number(variables.get("innodb_log_file_size"));
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) return null;
  // Before MariaDB 10.5 there are several files; later the variable is 1 or gone.
  const files = Number(variables.get("innodb_log_files_in_group") ?? "1");
  return { capacityBytes: sizeBytes * (Number.isSafeInteger(files) && files > 0 ? files : 1), setting: "innodb_log_file_size" };
}
