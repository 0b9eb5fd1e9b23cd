import { delay } from "../../lib/clock.ts";
import { runTool, startTool } from "../../lib/process.ts";

const READY_LIMIT_MS = 30_000;
const POLL_MS = 20;

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
  let isReady = false;
  const holder = startTool({
    file: "unshare",
    args: ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, "sh", ...hidden],
    stdout: "ignore",
    onStderrLine: (line) => (isReady ||= line === "ready"),
  });
  const end = async (): Promise<void> => {
    holder.kill("SIGKILL");
    await holder.exited;
  };
  let hasEnded = false;
  void holder.exited.then(() => (hasEnded = true));
  for (let waitedMs = 0; !isReady; waitedMs += POLL_MS) {
    if (hasEnded || waitedMs > READY_LIMIT_MS) {
      await end();
      throw new Error(`the database host's namespaces could not be made: ${holder.stderrTail()}`);
    }
    await delay(POLL_MS);
  }
  const namespaces = `/proc/${String(holder.pid)}/ns`;
  return { into: ["nsenter", `--mount=${namespaces}/mnt`, `--pid=${namespaces}/pid_for_children`, "--"], end };
}
