import type { Report } from "../model/job.ts";
import { engineContext } from "./engine-context.ts";
import type { JobPorts } from "./ports.ts";

/** Looks at an instance and says what would stop or weaken its backups. */
export async function runProbe(ports: JobPorts, order: { heartbeat: boolean }): Promise<Report> {
  return { kind: "probe", report: await ports.engine.probe(engineContext(ports), { heartbeat: order.heartbeat }, ports.signal) };
}
