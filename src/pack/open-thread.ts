import { parentPort } from "node:worker_threads";
import { HoldfastError, toErrorRecord } from "../lib/errors.ts";
import { PayloadDamage } from "./age-payload.ts";
import { FrameDamage } from "./frame-splitter.ts";
import { PartOpener } from "./part-opener.ts";
import { giveBack } from "../lib/give-back.ts";
import type { OpenerOrder, OpenerReport } from "./read-messages.ts";

/**
 * A thread that hashes and decrypts stored bytes and cuts what it finds into zstd frames. Damage is
 * reported; any other error ends the thread, and the main thread fails the whole read.
 */
function openParts(): void {
  const report = (message: OpenerReport, transfer: readonly ArrayBuffer[] = []): void => parentPort?.postMessage(message, transfer);
  const onFrame = (frame: Uint8Array<ArrayBuffer>): void => report({ kind: "frame", frame }, [frame.buffer]);
  let opener: PartOpener | null = null;
  let hasFailed = false;
  const take = (order: OpenerOrder): void => {
    if (order.kind === "part") {
      opener = new PartOpener(order, onFrame);
      return;
    }
    if (opener === null) throw new Error(`"${order.kind}" came before any part`);
    if (order.kind === "end") {
      opener.finish();
      report({ kind: "end" });
      return;
    }
    const sizeBytes = order.bytes.byteLength;
    opener.update(order.bytes);
    giveBack(order.bytes);
    report({ kind: "taken", sizeBytes });
  };
  parentPort?.on("message", (order: OpenerOrder) => {
    if (hasFailed) return;
    try {
      take(order);
    } catch (error) {
      hasFailed = true;
      report({ kind: "failed", error: toErrorRecord(named(error, opener)) });
    }
  });
}

function named(error: unknown, opener: PartOpener | null): HoldfastError {
  if (error instanceof HoldfastError) return error;
  if (opener !== null && (error instanceof PayloadDamage || error instanceof FrameDamage)) return opener.damage(error);
  throw error;
}

openParts();
