/** Size of one piece of page memory: what one call writes or reads past the page cache. */
export const PIECE_BYTES = 1024 * 1024;

/** Each reserves gigabytes of addresses (not of memory); whoever gets none goes through the cache. */
const PIECES_AT_MOST = 8;
const WASM_PAGE_BYTES = 64 * 1024;

/** The one part that is used here; Node's types do not have it. */
declare const WebAssembly: { readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer } };

const free: Uint8Array[] = [];
let madePieces = 0;

/**
 * Memory that begins where a page begins, as the kernel wants it for what goes past its cache; null when all of this
 * thread's are in use. WebAssembly's memory begins there by its nature, no other of Node's tells where it lies. Not to
 * be handed to another thread, and to be returned only when no call is under way that reads or fills it.
 */
export function borrowPages(): Uint8Array | null {
  const pages = free.pop();
  if (pages !== undefined || madePieces === PIECES_AT_MOST) return pages ?? null;
  try {
    const pageCount = PIECE_BYTES / WASM_PAGE_BYTES;
    const memory = new WebAssembly.Memory({ initial: pageCount, maximum: pageCount });
    madePieces += 1;
    return new Uint8Array(memory.buffer);
  } catch {
    // No addresses left, as under `ulimit -v`.
    return null;
  }
}

export function returnPages(pages: Uint8Array): void {
  free.push(pages);
}
