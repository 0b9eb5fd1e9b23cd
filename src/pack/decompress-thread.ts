import { parentPort } from "node:worker_threads";
import { giveBack } from "../lib/give-back.ts";
import type { DecompressOrder, DecompressReport } from "./read-messages.ts";
import { decompressFrameNow } from "./zstd-frame.ts";

/** A thread that decompresses whole frames. */
parentPort?.on("message", ({ number, frame, plainBytesAtMost }: DecompressOrder) => {
  let report: DecompressReport;
  let transfer: ArrayBuffer[] = [];
  try {
    const plain = decompressFrameNow(frame, plainBytesAtMost) as Uint8Array<ArrayBuffer>;
    report = { number, plain };
    transfer = [plain.buffer];
  } catch (error) {
    report = { number, fault: error instanceof Error ? error.message : String(error) };
  }
  giveBack(frame);
  parentPort?.postMessage(report, transfer);
});
