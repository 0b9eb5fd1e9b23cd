import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { giveBack, handOverChunks, handsOverChunks, SLACK_BYTES } from "./give-back.ts";

const MIB = 1024 * 1024;

describe("giving memory back", () => {
  it("lets go of a buffer that the view is all of, of any size, and does no harm twice", () => {
    for (const view of [new Uint8Array(10), Buffer.allocUnsafeSlow(MIB)]) {
      giveBack(view);
      expect(view.byteLength).toBe(0);
      giveBack(view);
    }
  });

  it("lets go of a large buffer whose last few bytes a decompressor left unused", () => {
    const view = new Uint8Array(new ArrayBuffer(MIB), 0, MIB - SLACK_BYTES);
    giveBack(view);
    expect(view.byteLength).toBe(0);
  });

  it.each([
    ["part of a larger buffer", new Uint8Array(new ArrayBuffer(MIB), 0, MIB - SLACK_BYTES - 1)],
    ["the end of a buffer", new Uint8Array(new ArrayBuffer(MIB), 1)],
    ["nearly all of the pool of small buffers", new Uint8Array(new ArrayBuffer(8_192), 0, 8_190)],
    ["shared memory", new Uint8Array(new SharedArrayBuffer(MIB))],
  ])("leaves %s alone", (_what, view) => {
    const { byteLength } = view;
    giveBack(view);
    expect(view.byteLength).toBe(byteLength);
  });

  it("knows the streams whose chunks are handed over, and no others", () => {
    expect(handsOverChunks(handOverChunks(Readable.from([])))).toBe(true);
    expect(handsOverChunks(Readable.from([]))).toBe(false);
  });
});
