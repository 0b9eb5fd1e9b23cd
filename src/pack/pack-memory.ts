/** Where the bytes of one pack are put together. */
export interface PackMemory {
  /** Memory for the next bytes of the pack, to be filled at once. */
  room(sizeBytes: number): Uint8Array<ArrayBuffer>;
  /** Everything that room was asked for, in order. */
  chunks(): readonly Uint8Array<ArrayBuffer>[];
}

/** Memory of just the sizes that are asked for: small packs. */
export function exactMemory(): PackMemory {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  return {
    room: (sizeBytes) => {
      const chunk = new Uint8Array(sizeBytes);
      chunks.push(chunk);
      return chunk;
    },
    chunks: () => chunks,
  };
}

/**
 * Blocks of one size that packs are put together in and that come back when a pack is stored. Allocated anew for each
 * pack, half of a backup's bytes would cost page faults, and memory in the gaps that the allocator keeps.
 */
export class BlockPool {
  readonly #blockBytes: number;
  readonly #keptBlocks: number;
  readonly #free: ArrayBuffer[] = [];

  /** Keeps so many free blocks at most: what the slowest moment of hours needed would otherwise be held to the end. */
  constructor(blockBytes: number, keptBlocks: number) {
    this.#blockBytes = blockBytes;
    this.#keptBlocks = keptBlocks;
  }

  comeBack(blocks: readonly ArrayBuffer[]): void {
    for (const block of blocks) {
      if (this.#free.length < this.#keptBlocks) this.#free.push(block);
      else block.transfer(0);
    }
  }

  /** Memory for one pack; no room may be larger than a block. */
  packMemory(): PackMemory {
    const filled: Uint8Array<ArrayBuffer>[] = [];
    let block: ArrayBuffer | null = null;
    let usedBytes = 0;
    const close = (): void => {
      if (block !== null) filled.push(new Uint8Array(block, 0, usedBytes));
      block = null;
      usedBytes = 0;
    };
    return {
      room: (sizeBytes) => {
        if (usedBytes + sizeBytes > this.#blockBytes) close();
        block ??= this.#free.pop() ?? new ArrayBuffer(this.#blockBytes);
        const place = new Uint8Array(block, usedBytes, sizeBytes);
        usedBytes += sizeBytes;
        return place;
      },
      chunks: () => {
        close();
        return filled;
      },
    };
  }
}
