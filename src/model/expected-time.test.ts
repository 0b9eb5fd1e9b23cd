import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expectedPhaseMs, median, sumExpectedMs } from "./expected-time.ts";

const run = (instanceId: string, name: string, durationMs: number, bytes: number) => ({ instanceId, phases: [{ name, durationMs, bytes }] });

describe("the expected time of a phase", () => {
  it("comes from the instance's own history before that of others", () => {
    const history = [run("a", "fetch", 100, 1000), run("b", "fetch", 900, 1000)];
    expect(expectedPhaseMs(history, "a", { name: "fetch", bytes: 2000 })).toBe(200);
    expect(expectedPhaseMs(history, "c", { name: "fetch", bytes: 1000 })).toBe(500);
  });

  it("is unknown when nothing of that name was measured", () => {
    expect(expectedPhaseMs([run("a", "fetch", 100, 1000)], "a", { name: "prepare", bytes: 10 })).toBeNull();
    expect(expectedPhaseMs([], "a", { name: "fetch", bytes: 10 })).toBeNull();
  });

  it("of a phase without bytes is its median time", () => {
    const history = [run("a", "start", 100, 0), run("a", "start", 300, 0), run("a", "start", 9000, 0)];
    expect(expectedPhaseMs(history, "a", { name: "start", bytes: 0 })).toBe(300);
  });

  it("does not let the fixed cost of small runs speak for a large one", () => {
    const small = Array.from({ length: 5 }, () => run("a", "replay", 1000, 10));
    const large = Array.from({ length: 5 }, () => run("a", "replay", 2000, 1_000_000));
    expect(expectedPhaseMs([...small, ...large], "a", { name: "replay", bytes: 2_000_000 })).toBe(4000);
  });

  it("lies between the slowest and the fastest rate that was measured", () => {
    const phase = fc.record({ durationMs: fc.integer({ min: 1, max: 1e6 }), bytes: fc.integer({ min: 1, max: 1e9 }) });
    fc.assert(
      fc.property(fc.array(phase, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 1e9 }), (phases, bytes) => {
        const expected = expectedPhaseMs([{ instanceId: "a", phases: phases.map((measured) => ({ name: "fetch", ...measured })) }], "a", { name: "fetch", bytes });
        const times = phases.map((measured) => (measured.durationMs / measured.bytes) * bytes);
        expect(expected).toBeGreaterThanOrEqual(Math.floor(Math.min(...times)));
        expect(expected).toBeLessThanOrEqual(Math.ceil(Math.max(...times)));
      }),
    );
  });

  it("of a whole is unknown when one part is", () => {
    expect(sumExpectedMs([1, 2])).toBe(3);
    expect(sumExpectedMs([1, null])).toBeNull();
    expect(median([])).toBeNull();
  });
});
