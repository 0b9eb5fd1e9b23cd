import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { runAsInstalled } from "./measure.ts";

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

interface Packed {
  readonly plainBytes: number;
  readonly wallS: number;
  readonly peakRssBytes: number;
}

/** Packs 1 GiB and then `sizeBytes` from the stand-in, each in a fresh process, and says how far their peaks lie apart. */
export async function compareMemory(dir: string, sizeBytes: number): Promise<string[]> {
  const recipient = await identityToRecipient(await generateX25519Identity());
  // The first one fills the cache of compiled code, as an agent's first backup does.
  await pack(dir, 256 * MIB, recipient);
  const small = await pack(dir, GIB, recipient);
  const large = await pack(dir, sizeBytes, recipient);
  const more = large.peakRssBytes / small.peakRssBytes - 1;
  const verdict = Math.abs(more) <= 0.1 && large.peakRssBytes <= 300 * MIB ? "met" : "missed";
  return [text(small), text(large), `memory: ${(more * 100).toFixed(1)} % more for the larger; bars 10 % and 300 MiB: ${verdict}`];
}

async function pack(dir: string, sizeBytes: number, recipient: string): Promise<Packed> {
  return JSON.parse(await runAsInstalled(join(import.meta.dirname, "stand-in-job.ts"), [String(sizeBytes), dir, recipient])) as Packed;
}

function text({ plainBytes, wallS, peakRssBytes }: Packed): string {
  return `stand-in of ${(plainBytes / GIB).toFixed(1)} GiB: ${(plainBytes / MIB / wallS).toFixed(0)} MiB/s, peak ${(peakRssBytes / MIB).toFixed(0)} MiB`;
}
