import { parentPort, workerData } from "node:worker_threads";
import type { CompressedFrame, CompressorStart, FrameOrder } from "./thread-messages.ts";
import { isIncompressible, STORE_LEVEL } from "./incompressible.ts";
import { compressFrame } from "./zstd-frame.ts";

/**
 * A thread that compresses filled frames of the shared ring and hands them to the sealer. An error here is uncaught on
 * purpose: it ends the thread, and the main thread fails the whole write.
 */
function compressFrames({ ring, level, toSealer }: CompressorStart): void {
  parentPort?.on("message", (order: FrameOrder) => {
    const memory = ring[order.slot];
    if (memory === undefined) throw new RangeError(`the ring has no slot ${order.slot}`);
    const plain = new Uint8Array(memory, 0, order.plainBytes);
    const compressed = compressFrame(plain, isIncompressible(plain) ? STORE_LEVEL : level) as Uint8Array<ArrayBuffer>;
    const message: CompressedFrame = { ...order, frame: compressed };
    toSealer.postMessage(message, [compressed.buffer]);
  });
}

compressFrames(workerData as CompressorStart);
