import { readFileSync } from "node:fs";
import type { RunAs } from "../../lib/process.ts";

/** The database account under which Holdfast works inside a sandbox. It exists only while the sandbox runs, and no digest may count it. */
export const SANDBOX_USER = "holdfast_sandbox";

/** The account as SQL and as digests name it. */
export const SANDBOX_ACCOUNT = `'${SANDBOX_USER}'@'localhost'`;
export const SANDBOX_ACCOUNT_LABEL = `${SANDBOX_USER}@localhost`;

/**
 * The OS account for throwaway servers: `mysql` if there is one, else `nobody`, when we are root (mariadbd refuses to
 * run as root); undefined when we are not root, since then there is nothing to choose.
 */
export function sandboxAccount(): RunAs | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return unprivilegedAccount(readFileSync("/etc/passwd", "utf8"));
}

/** The choice of `sandboxAccount` from the text of a passwd file; undefined when neither account is there. */
export function unprivilegedAccount(passwd: string): RunAs | undefined {
  const accounts = passwd.split("\n").map((line) => line.split(":"));
  for (const wanted of ["mysql", "nobody"]) {
    const found = accounts.find(([user]) => user === wanted);
    const uid = Number(found?.[2] ?? Number.NaN);
    const gid = Number(found?.[3] ?? Number.NaN);
    if (Number.isInteger(uid) && Number.isInteger(gid) && uid !== 0) return { user: wanted, uid, gid };
  }
  return undefined;
}
