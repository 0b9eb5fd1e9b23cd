import { access } from "node:fs/promises";
import { join } from "node:path";
import { startTool } from "../../lib/process.ts";
import type { Tried } from "./attempt.ts";
import type { DatabaseHost } from "./database-host.ts";
import type { Host } from "./host.ts";
import type { IntruderPlan } from "./intruder/plan.ts";
import type { WriteOnlyWorld } from "./run-writeonly.ts";
import type { Kept } from "./witness.ts";

const AGE_IDENTITY = "AGE-SECRET-KEY-1[0-9A-Z]{58}";
const SIGNING_KEY = "BEGIN PRIVATE KEY-----\\s+MC4CAQAw";

export interface Intrusion {
  readonly world: WriteOnlyWorld;
  readonly host: Host;
  readonly apart: DatabaseHost | null;
  readonly stored: readonly Kept[];
  readonly foreignJobId: string;
  readonly backupId: string;
  readonly instances: readonly string[];
  readonly logFile: string;
  readonly openLogFile: string;
}

/** The intruder is a process of its own, in the database host's namespaces, and has nothing of this one. */
export async function sendIntruder(intrusion: Intrusion): Promise<{ run(tell: (tried: Tried) => void, signal: AbortSignal): Promise<void> }> {
  const { world, host, apart } = intrusion;
  const plan = planOf(intrusion);
  // What it will not find must be there for us, or the search would prove nothing.
  for (const { path } of plan.elsewhere) await access(path);
  const asAgent = ["setpriv", `--reuid=${String(host.uid)}`, `--regid=${String(host.uid)}`, "--clear-groups", "--pdeathsig", "KILL", "--"];
  // Root, but for what would lead out of namespaces: a machine of its own has nothing to unmount.
  const asRoot = ["setpriv", "--bounding-set", "-sys_admin,-sys_module,-sys_rawio,-mknod", "--pdeathsig", "KILL", "--"];
  const [file = "setpriv", ...args]: readonly string[] = [...(apart?.into ?? []), ...(apart === null ? asAgent : asRoot), ...world.intruder, JSON.stringify(plan)];
  return {
    run: async (tell, signal) => {
      const tool = startTool({ file, args, cwd: "/", env: { HOME: host.dir }, signal });
      let rest = "";
      let isDone = false;
      for await (const chunk of tool.stdout.setEncoding("utf8")) {
        const lines = (rest + String(chunk)).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          if (line === "done") isDone = true;
          else tell(JSON.parse(line) as Tried);
        }
      }
      const { code } = await tool.exited;
      signal.throwIfAborted();
      if (code !== 0 || !isDone) throw new Error(`the intruder was not done: ${tool.stderrTail()}`);
    },
  };
}

function planOf({ world: { stage }, host, apart, stored, foreignJobId, backupId, instances, logFile, openLogFile }: Intrusion): IntruderPlan {
  const file = (what: string, ...path: string[]): { what: string; path: string } => ({ what, path: join(...path) });
  const { server, keyholder, gateway, directory, bucket } = stage;
  const elsewhere = [
    file("the server's signing key", server.dir, "state", "keys", "signing.pem"),
    file("the server's metadata identity", server.dir, "state", "keys", "metadata.key"),
    file("the server's catalog", server.dir, "state"),
    file("the server's credentials of the bucket", server.dir, "s3.secret"),
    file("the keyholder's identity", keyholder.dir, "daily.key"),
    file("the keyholder's log of releases", keyholder.dir, "state", "releases.jsonl"),
    file("the gateway's key", gateway.dir, "tls.key"),
    file("the escrow identity", stage.awayDir, "safe", "escrow.key"),
    file("the repository behind the gateway", directory),
    ...(bucket === null ? [] : [file("the disk of the bucket", stage.awayDir, "store")]),
  ];
  const secrets = [
    { what: "an identity that opens backups", pattern: AGE_IDENTITY },
    { what: "the server's signing key", pattern: SIGNING_KEY },
    ...(bucket === null ? [] : [{ what: "the credentials of the bucket", pattern: bucket.secretAccessKey }]),
  ];
  return {
    agentDir: host.dir,
    serverUrl: stage.serverUrl,
    gatewayUrl: stage.gatewayUrl,
    keyholderAddress: stage.keyholderAddress,
    store: bucket === null ? null : { endpoint: bucket.place.endpoint, bucket: bucket.place.bucket },
    elsewhere,
    otherPrograms: ["holdfast server", "holdfast keyholder", "holdfast gateway"].map((words) => words.replace("holdfast", "main.ts")),
    // Without namespaces the system may not let one process look into another of the same user.
    secrets: apart === null ? [] : secrets,
    stored: someOf(stored),
    foreignJobId,
    backupId,
    instances: [...instances],
    logFile,
    openLogFile,
  };
}

/** Of each place some packs, which come first, and every piece of log. */
function someOf(stored: readonly Kept[]): IntruderPlan["stored"] {
  const [packs, pieces] = [stored.filter(({ key }) => /\/backups\/.*\/\d{6}\.zst\.age$/.test(key)), stored.filter(({ key }) => /\/logs\/.*\.zst\.age$/.test(key))];
  return [...packs.slice(0, 20), ...packs.filter(({ repository }) => repository === "bucket").slice(0, 20), ...pieces].map(({ repository, key, sizeBytes, sha256 }) => ({ repository, key, sizeBytes, sha256 }));
}
