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
  readonly #free: ArrayBuffer[] = [];

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes;
  }

  comeBack(blocks: readonly ArrayBuffer[]): void {
    this.#free.push(...blocks);
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
