import { createReadStream, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { readPacks } from "../../src/pack/read.ts";
import { writePacks } from "../../src/pack/write.ts";
import { halfRandom, testKey } from "./packs.ts";

/**
 * Writes and reads back much more than the byte budget, as a process of its own; prints how far its memory grew.
 * Arguments: a folder for the packs, MiB to write.
 */
const MIB = 1024 * 1024;
const [folder = "", mib = "512"] = process.argv.slice(2);
const signal = new AbortController().signal;
const key = await testKey();
const piece = halfRandom(8 * MIB);

function* generated(): Generator<Buffer> {
  for (let sentBytes = 0; sentBytes < Number(mib) * MIB; sentBytes += 65_536) {
    const offset = sentBytes % piece.byteLength;
    yield piece.subarray(offset, offset + 65_536);
  }
}

/** The most memory this program has had. Not `maxRSS`: that begins with what the process which started this one had. */
function peakBytes(): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return Number(kib) * 1024;
}

const before = process.memoryUsage().rss;
const started = performance.now();
const written = await writePacks(Readable.from(generated(), { objectMode: false }), {
  recipients: [key.recipient],
  compressionLevel: 3,
  bufferBytes: 128 * MIB,
  signal,
  store: (pack) => writeFile(join(folder, pack.name), pack.chunks),
});
const writeMs = performance.now() - started;
const grownWriting = peakBytes() - before;

let readBytes = 0;
const parts = written.packs.map(({ part }) => part);
const readStarted = performance.now();
for await (const chunk of readPacks({ parts, fetch: async (part) => createReadStream(join(folder, part.name)), openHeader: key.openHeader, signal })) {
  readBytes += (chunk as Buffer).byteLength;
}
const grown = peakBytes() - before;
const result = {
  plainBytes: written.plainBytes,
  readBytes,
  packs: parts.length,
  grownWriting,
  grown,
  writeMs: Math.round(writeMs),
  readMs: Math.round(performance.now() - readStarted),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
