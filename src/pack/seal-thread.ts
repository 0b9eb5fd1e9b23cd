import { parentPort, workerData } from "node:worker_threads";
import { type AgeHeader, SEALED_CHUNK_BYTES } from "./age-payload.ts";
import { PackBuilder } from "./pack-builder.ts";
import { BlockPool } from "./pack-memory.ts";
import type { CompressedFrame, SealerOrder, SealerReport, SealerStart } from "./thread-messages.ts";

/** About 4 MiB: 64 sealed chunks, and a header before the first. */
const BLOCK_BYTES = 64 * SEALED_CHUNK_BYTES + 4_096;

/**
 * Puts compressed frames back in order, cuts them into packs, encrypts and hashes. Like the compressors it lets errors
 * end the thread.
 */
class Sealer {
  readonly #packBytes: number;
  readonly #report: (report: SealerReport, transfer: readonly ArrayBuffer[]) => void;
  readonly #headers: AgeHeader[] = [];
  readonly #blocks: BlockPool;
  /** Frames that came before their turn, by number. */
  readonly #early = new Map<number, CompressedFrame>();
  #nextFrame = 0;
  #nextPack = 0;
  #streamOffset = 0;
  #frameCount: number | null = null;
  #pack: PackBuilder | null = null;

  constructor(packBytes: number, report: (report: SealerReport, transfer: readonly ArrayBuffer[]) => void) {
    this.#packBytes = packBytes;
    this.#blocks = new BlockPool(BLOCK_BYTES, Math.ceil(packBytes / BLOCK_BYTES));
    this.#report = report;
  }

  addFrame(frame: CompressedFrame): void {
    this.#early.set(frame.number, frame);
    this.#goOn();
  }

  takeOrder(order: SealerOrder): void {
    if (order.kind === "blocks") {
      this.#blocks.comeBack(order.blocks);
      return;
    }
    if (order.kind === "header") this.#headers.push(order);
    else this.#frameCount = order.frameCount;
    this.#goOn();
  }

  #goOn(): void {
    for (let frame = this.#early.get(this.#nextFrame); frame !== undefined; frame = this.#early.get(this.#nextFrame)) {
      this.#pack ??= this.#newPack();
      if (this.#pack === null) return;
      this.#early.delete(this.#nextFrame);
      this.#nextFrame += 1;
      this.#seal(this.#pack, frame);
    }
    if (this.#nextFrame !== this.#frameCount) return;
    if (this.#pack !== null) this.#finishPack(this.#pack);
    this.#report({ kind: "ended" }, []);
  }

  /** Null while no header is there; the next one that comes goes on. */
  #newPack(): PackBuilder | null {
    const header = this.#headers.shift();
    return header === undefined ? null : new PackBuilder(header, this.#blocks.packMemory());
  }

  #seal(pack: PackBuilder, { frame, plainBytes, slot }: CompressedFrame): void {
    const sizeBytes = pack.add(frame, { streamOffset: this.#streamOffset, plainBytes });
    // The view is smaller than its buffer: what matters is the buffer.
    frame.buffer.transfer(0);
    this.#streamOffset += plainBytes;
    const isFull = sizeBytes >= this.#packBytes;
    // The pack first: a slot that is free before the pack is counted would let the budget be overrun.
    if (isFull) this.#finishPack(pack);
    this.#report({ kind: "frame", slot, fillingBytes: isFull ? 0 : sizeBytes }, []);
  }

  #finishPack(pack: PackBuilder): void {
    const built = pack.finish();
    this.#report({ kind: "pack", number: this.#nextPack, ...built }, built.chunks.map((chunk) => chunk.buffer));
    this.#nextPack += 1;
    this.#pack = null;
  }
}

function sealFrames({ fromCompressors, packBytes }: SealerStart): void {
  const sealer = new Sealer(packBytes, (report, transfer) => parentPort?.postMessage(report, transfer));
  for (const port of fromCompressors) {
    port.on("message", (frame: CompressedFrame) => {
      sealer.addFrame(frame);
    });
  }
  parentPort?.on("message", (order: SealerOrder) => {
    sealer.takeOrder(order);
  });
}

sealFrames(workerData as SealerStart);
