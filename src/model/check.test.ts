import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Candidate, chooseToRead } from "./check.ts";

const keys = (count: number): string[] => Array.from({ length: count }, (_, number) => `k${String(number).padStart(4, "0")}`);
const fresh = (count: number): Candidate[] => keys(count).map((key) => ({ key, lastCheckId: null, isDamaged: false }));
const keysOf = (chosen: readonly Candidate[]): string[] => chosen.map(({ key }) => key).sort();

/** The candidates after a check has read what it chose. */
function afterCheck(candidates: readonly Candidate[], check: Parameters<typeof chooseToRead>[1]): Candidate[] {
  const read = new Set(keysOf(chooseToRead(candidates, check)));
  return candidates.map((candidate) => (read.has(candidate.key) ? { ...candidate, lastCheckId: check.checkId } : candidate));
}

describe("what a check reads", () => {
  it("is everything without a sample, except what it has read before it was cut short", () => {
    const candidates = fresh(4).map((candidate, number) => ({ ...candidate, lastCheckId: number === 1 ? "c2" : number === 2 ? "c1" : null }));
    expect(keysOf(chooseToRead(candidates, { checkId: "c2", sample: null }))).toEqual(["k0000", "k0002", "k0003"]);
  });

  it("is the share that was asked for, at least one object, and the same for the same seed", () => {
    const chosen = chooseToRead(fresh(100), { checkId: "c", sample: { share: 0.05, seed: "a" } });
    expect(chosen).toHaveLength(5);
    expect(keysOf(chooseToRead(fresh(100).reverse(), { checkId: "c", sample: { share: 0.05, seed: "a" } }))).toEqual(keysOf(chosen));
    expect(keysOf(chooseToRead(fresh(100), { checkId: "c", sample: { share: 0.05, seed: "b" } }))).not.toEqual(keysOf(chosen));
    expect(chooseToRead(fresh(3), { checkId: "c", sample: { share: 0.01, seed: "a" } })).toHaveLength(1);
  });

  it("is what waited longest, so that samples one after the other come round to everything", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.constantFrom(0.05, 0.1, 0.3, 1), fc.string({ minLength: 1 }), (count, share, seed) => {
        let candidates = fresh(count);
        const rounds = Math.ceil(1 / share);
        for (let round = 1; round <= rounds; round += 1) candidates = afterCheck(candidates, { checkId: `c${String(round).padStart(3, "0")}`, sample: { share, seed: `${seed}${String(round)}` } });
        expect(candidates.every(({ lastCheckId }) => lastCheckId !== null)).toBe(true);
        const oldest = candidates.map(({ lastCheckId }) => lastCheckId).sort()[0];
        const next = chooseToRead(candidates, { checkId: "d", sample: { share, seed } });
        expect(next.some(({ lastCheckId }) => lastCheckId === oldest)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("ends with the objects that it began for when it is cut short anywhere", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(60), (count, cut) => {
        const check = { checkId: "c9", sample: { share: 0.4, seed: "s" } };
        const candidates = fresh(count).map((candidate, number) => ({ ...candidate, lastCheckId: number % 3 === 0 ? null : `c${String(number % 5)}` }));
        const whole = chooseToRead(candidates, check);
        const done = new Set(whole.slice(0, cut).map(({ key }) => key));
        const interrupted = candidates.map((candidate) => (done.has(candidate.key) ? { ...candidate, lastCheckId: "c9" } : candidate));
        expect([...done, ...keysOf(chooseToRead(interrupted, check))].sort()).toEqual(keysOf(whole));
      }),
    );
  });

  it("always holds what is known to be damaged: only reading takes that back", () => {
    const candidates = fresh(100).map((candidate, number) => ({ ...candidate, lastCheckId: number < 10 ? "c8" : "c1", isDamaged: number < 10 }));
    const chosen = keysOf(chooseToRead(candidates, { checkId: "c9", sample: { share: 0.02, seed: "a" } }));
    expect(chosen).toEqual(keys(10));
  });
});
