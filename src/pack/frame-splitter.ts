import { giveBack } from "../lib/give-back.ts";
import { FRAME_LIMIT_BYTES, FRAME_MAGIC, frameHeaderFields } from "./zstd-frame.ts";

/** What is wrong with the frames of a pack; the reader names the pack. */
export class FrameDamage extends Error {}

const RAW_BLOCK = 0;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;

/** What is read next: a field that must be whole to be understood, or bytes to pass over. */
type Step = "magic and descriptor" | "rest of header" | "block header" | "block" | "checksum";

/**
 * Cuts a stream of zstd frames at their ends by following frame and block headers (RFC 8878, section 3.1.1), because
 * the decompressor of one frame does not tell where it stopped. Nothing may stand between frames.
 */
export class FrameSplitter {
  #step: Step = "magic and descriptor";
  #wanted = 5;
  readonly #field: number[] = [];
  #isLastBlock = false;
  #hasChecksum = false;
  #pieces: Uint8Array[] = [];
  #frameBytes = 0;

  /** The frames that are whole now. Throws FrameDamage. Takes over what it is given, and gives its memory back. */
  *push(chunk: Uint8Array): Generator<Buffer> {
    let start = 0;
    let offset = 0;
    while (offset < chunk.byteLength) {
      offset += this.#take(chunk, offset);
      if (this.#wanted > 0) continue;
      if (!this.#advance()) continue;
      this.#keep(chunk.subarray(start, offset));
      start = offset;
      yield this.#frame();
    }
    // A chunk that ended with a frame has been given back.
    if (start < chunk.byteLength) this.#keep(chunk.subarray(start));
  }

  /** Throws FrameDamage when the stream stopped inside a frame. */
  finish(): void {
    if (this.#frameBytes > 0) throw new FrameDamage("its last zstd frame is cut short");
  }

  #take(chunk: Uint8Array, offset: number): number {
    const taken = Math.min(this.#wanted, chunk.byteLength - offset);
    const isField = this.#step === "magic and descriptor" || this.#step === "block header";
    for (let place = offset; isField && place < offset + taken; place += 1) this.#field.push(chunk[place] ?? 0);
    this.#wanted -= taken;
    return taken;
  }

  #keep(piece: Uint8Array): void {
    if (piece.byteLength === 0) return;
    this.#pieces.push(piece);
    this.#frameBytes += piece.byteLength;
    if (this.#frameBytes > FRAME_LIMIT_BYTES) throw new FrameDamage(`it holds a zstd frame of more than ${String(FRAME_LIMIT_BYTES)} bytes`);
  }

  #frame(): Buffer {
    // Never from the pool of small buffers: the frame may be handed to another thread with its memory.
    const frame = Buffer.allocUnsafeSlow(this.#frameBytes);
    let offset = 0;
    for (const piece of this.#pieces) {
      frame.set(piece, offset);
      offset += piece.byteLength;
    }
    // Hundreds of megabytes pass here: what the garbage collector would leave lying for a while adds up.
    for (const piece of this.#pieces) giveBack(piece);
    this.#pieces = [];
    this.#frameBytes = 0;
    return frame;
  }

  #expect(step: Step, wanted: number): void {
    this.#step = step;
    this.#wanted = wanted;
    this.#field.length = 0;
  }

  /** Understands the field that is whole now; true when the frame ends here. */
  #advance(): boolean {
    if (this.#step === "magic and descriptor") this.#readDescriptor();
    else if (this.#step === "block header") this.#readBlockHeader();
    else if (this.#step === "rest of header" || (this.#step === "block" && !this.#isLastBlock)) this.#expect("block header", 3);
    else if (this.#step === "block" && this.#hasChecksum) this.#expect("checksum", 4);
    else {
      this.#expect("magic and descriptor", 5);
      return true;
    }
    return this.#wanted === 0 && this.#advance();
  }

  #readDescriptor(): void {
    const field = Buffer.from(this.#field);
    if (field.readUInt32LE(0) !== FRAME_MAGIC) throw new FrameDamage("it holds bytes that are not a zstd frame");
    const { windowBytes, dictionaryBytes, contentSizeBytes, hasChecksum } = frameHeaderFields(field.readUInt8(4));
    this.#hasChecksum = hasChecksum;
    this.#expect("rest of header", windowBytes + dictionaryBytes + contentSizeBytes);
  }

  #readBlockHeader(): void {
    const header = Buffer.from(this.#field).readUIntLE(0, 3);
    this.#isLastBlock = (header & 1) === 1;
    const kind = (header >> 1) & 3;
    if (kind === RESERVED_BLOCK) throw new FrameDamage("it holds a zstd block of a reserved kind");
    // A run-length block stores one byte whatever size it stands for.
    this.#expect("block", kind === RLE_BLOCK ? 1 : kind === RAW_BLOCK || kind === 2 ? header >> 3 : 0);
  }
}
