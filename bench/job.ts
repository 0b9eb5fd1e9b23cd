import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { runBackup } from "../src/jobs/backup.ts";
import { unpackChain } from "../src/jobs/materialise.ts";
import { Phases } from "../src/jobs/phases.ts";
import { relaxCollector } from "../src/lib/collector.ts";
import type { BackupOrder, BackupReport } from "../src/model/job.ts";
import type { BackupRef } from "../src/model/backup.ts";
import { keepCompiledCode } from "../src/state-dir.ts";
import { jobPorts, PREFIX } from "./job-ports.ts";
import { cpuSeconds } from "./measure.ts";

/*
 * One job in a process of its own, so that its memory is its own. Argument: a JSON file with a JobSpec. The last line it
 * prints is the result. The start of Node is not counted: an agent has been running for long.
 */

export interface JobSpec {
  readonly connection: Record<string, unknown>;
  readonly repositoryPath: string;
  readonly scratchDir: string;
  readonly identity: string;
  readonly recipients: readonly string[];
  /** Where to unpack; a backup is taken when it is missing. */
  readonly restore?: { readonly dir: string; readonly report: BackupReport };
}

export interface JobResult {
  readonly wallS: number;
  readonly cpuS: number;
  readonly peakRssBytes: number;
  readonly streamS: number;
  readonly report: BackupReport | null;
}

const spec = JSON.parse(await readFile(process.argv[2] ?? "", "utf8")) as JobSpec;
const order: BackupOrder = {
  kind: "backup",
  backupKind: "full",
  parent: null,
  sealing: { recipients: [...spec.recipients], metadataRecipient: spec.recipients[0] ?? "", compressionLevel: 3 },
  rowCounts: "none",
  heartbeat: false,
};
keepCompiledCode(join(dirname(spec.repositoryPath), "cache"), process.env);
relaxCollector();
const ports = jobPorts({ ...spec, work: order });
const [startMs, startCpuS] = [performance.now(), cpuSeconds()];
const done = spec.restore === undefined ? await backUp() : await restore(spec.restore);
const result: JobResult = {
  wallS: (performance.now() - startMs) / 1_000,
  cpuS: cpuSeconds() - startCpuS,
  peakRssBytes: process.resourceUsage().maxRSS * 1024,
  ...done,
};
process.stdout.write(`${JSON.stringify(result)}\n`);

async function backUp(): Promise<Pick<JobResult, "streamS" | "report">> {
  const report = await runBackup(ports, order);
  return { streamS: (report.phases.find(({ name }) => name === "stream")?.durationMs ?? 0) / 1_000, report };
}

async function restore({ dir, report }: NonNullable<JobSpec["restore"]>): Promise<Pick<JobResult, "streamS" | "report">> {
  const backup: BackupRef = {
    backupId: ports.newId(),
    kind: "full",
    parentId: null,
    repository: "bench",
    prefix: PREFIX,
    streamFormat: report.stream.format,
    streamBytes: report.stream.sizeBytes,
    packs: report.packs,
    index: report.index,
    facts: report.facts,
  };
  const phases = new Phases(ports);
  await unpackChain(ports, phases, [backup], { dataDir: dir, incrementalDir: () => dir });
  return { streamS: phases.totalMs(["fetch"]) / 1_000, report: null };
}
