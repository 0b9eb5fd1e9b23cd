import { expect, it } from "vitest";
import { type Heard, judgeSilence, type Silence } from "./agent-silence.ts";

const T1 = "2026-11-21T10:00:00.000Z";
const T2 = "2026-11-21T10:01:00.000Z";

/** What is said at each look: when it was last seen, and the seconds of the monotonic clock. */
function looks(...seen: readonly (readonly [string | null, number])[]): Silence[] {
  let heard: Heard | undefined;
  return seen.map(([lastSeenAt, s]) => {
    const judged = judgeSilence(heard, { lastSeenAt, monotonicMs: s * 1_000, silentMs: 600_000 });
    heard = judged.heard;
    return judged.silence;
  });
}

it("an agent is silent when nothing changed for longer than the setting, and back with its next call", () => {
  expect(looks([T1, 0], [T2, 60], [T2, 660], [T2, 661], [T1, 700], [T1, 1_301])).toEqual(["unknown", "calls", "unknown", "silent", "calls", "silent"]);
});

it("a watch that begins knows of no silence, however long ago the last call was, until it has waited itself", () => {
  expect(looks(["2020-01-01T00:00:00.000Z", 0], ["2020-01-01T00:00:00.000Z", 599])).toEqual(["unknown", "unknown"]);
  expect(looks([null, 0], [null, 601])).toEqual(["unknown", "silent"]);
});
