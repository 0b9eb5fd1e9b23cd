import { expect, it } from "vitest";
import { BlockPool, exactMemory } from "./pack-memory.ts";

it("gives memory in order, and a new block where the last one has no room", () => {
  const memory = new BlockPool(10, 2).packMemory();
  for (const [value, sizeBytes] of [4, 5, 3, 10].entries()) memory.room(sizeBytes).fill(value + 1);
  expect(memory.chunks().map((chunk) => [...chunk])).toEqual([[1, 1, 1, 1, 2, 2, 2, 2, 2], [3, 3, 3], Array.from({ length: 10 }, () => 4)]);
});

it("uses blocks again that came back, and none that has not", () => {
  const pool = new BlockPool(8, 2);
  const first = pool.packMemory();
  first.room(8);
  const [block] = first.chunks();
  const second = pool.packMemory();
  expect(second.room(8).buffer).not.toBe(block?.buffer);
  pool.comeBack([block!.buffer]);
  expect(pool.packMemory().room(8).buffer).toBe(block?.buffer);
});

it("gives blocks beyond those that it keeps back at once", () => {
  const pool = new BlockPool(8, 2);
  const memory = pool.packMemory();
  for (let block = 0; block < 3; block += 1) memory.room(8);
  const blocks = memory.chunks().map(({ buffer }) => buffer);
  pool.comeBack(blocks);
  expect(blocks.map(({ detached }) => detached)).toEqual([false, false, true]);
});

it("of just the sizes that are asked for shares nothing", () => {
  const memory = exactMemory();
  memory.room(3).fill(7);
  memory.room(0);
  expect(memory.chunks().map(({ byteLength, buffer }) => [byteLength, buffer.byteLength])).toEqual([[3, 3], [0, 0]]);
});
