import { runTool } from "../../lib/process.ts";
import { startProgram } from "../start-program.ts";

/** The database host as far as one machine can play it: namespaces in which the other hosts' files and processes are not there. */
export interface DatabaseHost {
  /** Put before a program that is to run there. */
  readonly into: readonly string[];
  /** Kills all that runs there: the machine is gone. */
  end(): Promise<void>;
}

/** Whether this machine lets root make namespaces; containers with few rights do not. */
export async function canHide(): Promise<boolean> {
  return runTool({ file: "unshare", args: ["--mount", "--pid", "--fork", "--mount-proc", "true"] }).then(
    () => true,
    () => false,
  );
}

/** Over each of these directories lies an empty one there. */
export async function openDatabaseHost(hidden: readonly string[]): Promise<DatabaseHost> {
  const script = 'for dir in "$@"; do mount -t tmpfs -o mode=0711,size=64k none "$dir" || exit 1; done; echo ready >&2; exec sleep infinity';
  const holder = startProgram("the database host", {
    file: "unshare",
    args: ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, "sh", ...hidden],
    stdout: "ignore",
  });
  await holder.until("its namespaces are made", () => /^ready$/m.test(holder.said()));
  const namespaces = `/proc/${String(holder.pid)}/ns`;
  return { into: ["nsenter", `--mount=${namespaces}/mnt`, `--pid=${namespaces}/pid_for_children`, "--"], end: () => holder.kill9() };
}
