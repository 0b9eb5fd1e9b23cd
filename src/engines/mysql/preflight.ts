import { HoldfastError } from "../../lib/errors.ts";
import { findTool, type FoundTool, requireMatch } from "./tools.ts";
import type { Session } from "./connect.ts";
import { requireReadable } from "./data-directory.ts";
import { grantStatement, missing, needsOf, readPrivileges } from "./privileges.ts";
import { readServerFacts, requireSuitable, type ServerFacts } from "./server-facts.ts";
import type { MysqlConnection } from "./options.ts";

export interface Ready {
  readonly facts: ServerFacts;
  readonly tool: FoundTool;
}

/** Everything that would make a backup fail later, asked now. Throws the error that says what to do. */
export async function requireReady(session: Session, connection: MysqlConnection): Promise<Ready> {
  const facts = await readServerFacts(session, connection);
  requireSuitable(facts);
  await requirePrivileges(session, facts);
  const tool = await findTool("mariadb-backup");
  requireMatch(tool, facts.version);
  await requireReadable(facts.dataDirectory);
  return { facts, tool };
}

async function requirePrivileges(session: Session, facts: ServerFacts): Promise<void> {
  const privileges = await readPrivileges(session);
  for (const need of needsOf(facts.version, { heartbeat: false })) {
    const lacking = missing(privileges, need);
    if (need.level !== "error" || lacking.length === 0) continue;
    const statement = grantStatement(privileges, lacking, need.schema);
    throw new HoldfastError("PRIVILEGE_MISSING", `The account ${privileges.account} lacks ${lacking.join(", ")}; without it ${need.loss}.`, {
      hint: `Run on the server: ${statement}`,
      details: { grant: statement },
    });
  }
}
