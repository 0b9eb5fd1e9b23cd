import type { ProbeNote } from "../../model/instance.ts";
import type { Session } from "./connect.ts";
import { grantStatement, missing, type Need, needsOf, type Privileges, readPrivileges } from "./privileges.ts";
import type { Version } from "./versions.ts";

/** A note with the exact GRANT for every need the account lacks rights for. */
export async function privilegeNotes(session: Session, version: Version, options: { heartbeat: boolean; replica: boolean }): Promise<ProbeNote[]> {
  const privileges = await readPrivileges(session);
  // A replica is never written to, so it needs no rights for the marker.
  return notesOf(privileges, needsOf(version, { heartbeat: options.heartbeat && !options.replica }));
}

/** The same as a pure decision. */
export function notesOf(privileges: Privileges, needs: readonly Need[]): ProbeNote[] {
  return needs.flatMap((need) => {
    const lacking = missing(privileges, need);
    if (lacking.length === 0) return [];
    return [
      {
        level: need.level,
        code: need.code,
        message: `The account ${privileges.account} lacks ${lacking.join(", ")}${need.schema === null ? "" : ` on the schema ${need.schema}`}: ${need.loss}.`,
        remedy: grantStatement(privileges, lacking, need.schema),
      },
    ];
  });
}
