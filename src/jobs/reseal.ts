import type { ResealOrder, ResealReport } from "../model/job.ts";
import type { StoredPart } from "../model/manifest.ts";
import { resealPart } from "../pack/reseal.ts";
import { Phases } from "./phases.ts";
import type { JobPorts } from "./ports.ts";
import { ProgressMeter } from "./progress-meter.ts";

/**
 * Seals every object of a backup anew under this attempt's prefix. What it reads is checked against the source's hashes
 * before anything of it is stored. The index comes last; the new backup exists once the server has written its manifest.
 */
export async function runReseal(ports: JobPorts, order: ResealOrder): Promise<ResealReport> {
  const { source, sealing } = order;
  const phases = new Phases(ports);
  const totalBytes = [...source.packs, source.index].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const meter = new ProgressMeter(ports, totalBytes);
  let doneBytes = 0;
  const reseal = async (part: StoredPart, recipients: readonly string[]): Promise<StoredPart> => {
    const key = `${source.prefix}${part.name}`;
    const sealed = await resealPart(part, { fetch: () => ports.get(key), recipients, openHeader: (_name, header) => ports.openHeader(key, header) });
    await ports.put({ ...sealed.part, chunks: sealed.chunks });
    doneBytes += part.sizeBytes;
    meter.update("resealing", doneBytes, doneBytes);
    return sealed.part;
  };
  const packs: StoredPart[] = [];
  // One after the other: a pack is whole in memory, and nothing waits for this but the person who asked.
  await phases.run("reseal", totalBytes - source.index.sizeBytes, async () => {
    for (const part of source.packs) packs.push(await reseal(part, sealing.recipients));
  });
  const index = await phases.run("index", source.index.sizeBytes, () => reseal(source.index, [...sealing.recipients, sealing.metadataRecipient]));
  return { kind: "reseal", packs, index, phases: phases.list };
}
