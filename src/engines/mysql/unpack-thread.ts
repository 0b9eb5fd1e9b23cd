import { parentPort, workerData } from "node:worker_threads";
import { toErrorRecord } from "../../lib/errors.ts";
import { giveBack } from "../../lib/give-back.ts";
import { asUnpackError } from "./unpack-errors.ts";
import type { UnpackerOrder, UnpackerReport, UnpackerStart } from "./unpack-messages.ts";
import { inspectStream } from "./xbstream.ts";
import { StreamFiles } from "./xbstream-files.ts";

/** Checked and written at one go: what was just summed up is written out of the processor's cache. */
const PIECE_BYTES = 256 * 1024;

/** A thread that checks a backup's plain stream and writes its files. It ends with the first failure, which it reports. */
function unpackStream({ dir, owner }: UnpackerStart): void {
  const report = (message: UnpackerReport): void => parentPort?.postMessage(message);
  const files = new StreamFiles(dir, owner);
  const inspector = inspectStream(files);
  const take = (order: UnpackerOrder): void => {
    if (order.kind === "end") {
      inspector.end();
      files.finish();
      report({ kind: "finished" });
      return;
    }
    const { bytes } = order;
    const sizeBytes = bytes.byteLength;
    for (let offset = 0; offset < sizeBytes; offset += PIECE_BYTES) inspector.write(bytes.subarray(offset, offset + PIECE_BYTES));
    giveBack(bytes);
    report({ kind: "written", sizeBytes });
  };
  let hasFailed = false;
  parentPort?.on("message", (order: UnpackerOrder) => {
    if (hasFailed) return;
    try {
      take(order);
    } catch (error) {
      hasFailed = true;
      files.abandon();
      report({ kind: "failed", error: toErrorRecord(asUnpackError(error, dir)) });
    }
  });
}

unpackStream(workerData as UnpackerStart);
