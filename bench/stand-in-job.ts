import { join } from "node:path";
import { watchBackup } from "../src/engines/mysql/backup-stream.ts";
import { relaxCollector } from "../src/lib/collector.ts";
import { writePacks } from "../src/pack/write.ts";
import { keepCompiledCode } from "../src/state-dir.ts";
import { localStorage } from "../src/storage/local.ts";

/*
 * Packs a stand-in stream in a process of its own and prints its peak memory. Each pack is stored with fsync and deleted
 * again, so that no disk needs to hold them all. Arguments: bytes, folder, recipient.
 */

const [bytes = "", dir = "", recipient = ""] = process.argv.slice(2);
keepCompiledCode(join(dir, "cache"), process.env);
relaxCollector();
const signal = new AbortController().signal;
const storage = localStorage.open({ path: join(dir, "stand-in") });
const tool = join(import.meta.dirname, "stand-in-tool.ts");
const { stream } = watchBackup({ file: process.execPath, args: [tool, bytes], signal, lockMaxMs: null, check: () => Promise.resolve() });
const startMs = performance.now();
const { plainBytes } = await writePacks(stream, {
  recipients: [recipient],
  compressionLevel: 3,
  signal,
  store: async ({ name, sizeBytes, sha256, chunks }) => {
    await storage.put(name, chunks, { sizeBytes, sha256, signal });
    await storage.delete([name]);
  },
});
process.stdout.write(`${JSON.stringify({ plainBytes, wallS: (performance.now() - startMs) / 1_000, peakRssBytes: process.resourceUsage().maxRSS * 1024 })}\n`);
