import { Cron } from "croner";
import { describe, expect, it } from "vitest";
import { dueInstant, nextInstant } from "./schedule.ts";

const ms = (iso: string): number => Date.parse(iso);
const MINUTE = 60_000;

/** Every instant that a minutely pass between two instants finds due. */
function passes(cron: string, zone: string, from: string, to: string): string[] {
  const found: string[] = [];
  let lastMs = ms(from);
  for (let nowMs = ms(from); nowMs <= ms(to); nowMs += MINUTE) {
    const due = dueInstant({ cron }, zone, lastMs, nowMs);
    if (due === null) continue;
    lastMs = due;
    found.push(new Date(due).toISOString());
  }
  return found;
}

describe("a schedule", () => {
  it("runs 02:30 in Berlin once in the night in which that time does not exist, right after the jump", () => {
    expect(passes("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z")).toEqual(["2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]);
  });

  it("runs 02:30 in Berlin once in the night in which that time comes twice", () => {
    expect(passes("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z")).toEqual(["2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"]);
  });

  it("follows the half-hour jumps of Lord Howe both ways", () => {
    expect(passes("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T18:00:00Z", "2026-10-05T00:00:00Z")).toEqual(["2026-10-03T15:30:00.000Z", "2026-10-04T15:15:00.000Z"]);
    expect(passes("45 1 * * *", "Australia/Lord_Howe", "2026-04-03T18:00:00Z", "2026-04-06T00:00:00Z")).toEqual(["2026-04-04T14:45:00.000Z", "2026-04-05T15:15:00.000Z"]);
  });

  it.each([
    ["*/15 * * * *", "Europe/Berlin", "2026-10-24T20:00:00Z"],
    ["*/15 * * * *", "Europe/Berlin", "2026-03-28T20:00:00Z"],
    ["7 */2 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z"],
    ["0 1-3 * * *", "America/New_York", "2026-11-01T00:00:00Z"],
  ])("finds every instant of %s in %s over a change of the clock", (cron, zone, from) => {
    const to = new Date(ms(from) + 36 * 60 * MINUTE).toISOString();
    const expected: string[] = [];
    const runs = new Cron(cron, { timezone: zone, paused: true });
    for (let next = runs.nextRun(new Date(from)); next !== null && next.getTime() <= ms(to); next = runs.nextRun(next)) expected.push(next.toISOString());
    expect(passes(cron, zone, from, to)).toEqual(expected);
  });

  it("is due in the very second of its instant and not the millisecond before", () => {
    const last = ms("2026-05-01T00:00:00Z");
    expect(dueInstant({ cron: "0 2 * * *" }, "UTC", last, ms("2026-05-01T01:59:59.999Z"))).toBeNull();
    expect(dueInstant({ cron: "0 2 * * *" }, "UTC", last, ms("2026-05-01T02:00:00.000Z"))).toBe(ms("2026-05-01T02:00:00Z"));
  });

  it("catches up with one instant, the newest, however many were missed", () => {
    expect(dueInstant({ cron: "0 2 * * *" }, "UTC", ms("2026-05-01T02:00:00Z"), ms("2026-05-09T12:00:00Z"))).toBe(ms("2026-05-09T02:00:00Z"));
    expect(dueInstant({ every: 3_600_000 }, "UTC", ms("2026-05-01T02:10:00Z"), ms("2026-05-01T09:00:00Z"))).toBe(ms("2026-05-01T08:10:00Z"));
  });

  it("waits for its first instant when it is a cron expression and starts at once when it is an interval", () => {
    const now = ms("2026-05-01T12:34:56Z");
    expect(dueInstant({ cron: "* * * * *" }, "UTC", null, now)).toBeNull();
    expect(dueInstant({ every: 3_600_000 }, "UTC", null, now)).toBe(now);
  });

  it("is not due when the clock has gone back behind the last instant", () => {
    expect(dueInstant({ cron: "* * * * *" }, "UTC", ms("2026-05-01T12:00:00Z"), ms("2026-05-01T11:00:00Z"))).toBeNull();
    expect(dueInstant({ every: 60_000 }, "UTC", ms("2026-05-01T12:00:00Z"), ms("2026-05-01T11:00:00Z"))).toBeNull();
  });

  it("knows leap days", () => {
    expect(dueInstant({ cron: "0 0 29 2 *" }, "UTC", ms("2026-01-01T00:00:00Z"), ms("2027-12-31T00:00:00Z"))).toBeNull();
    expect(dueInstant({ cron: "0 0 29 2 *" }, "UTC", ms("2026-01-01T00:00:00Z"), ms("2028-03-01T00:00:00Z"))).toBe(ms("2028-02-29T00:00:00Z"));
  });

  it("tells the next instant", () => {
    expect(nextInstant({ cron: "0 2 * * *" }, "Europe/Berlin", null, ms("2026-05-01T12:00:00Z"))).toBe(ms("2026-05-02T00:00:00Z"));
    expect(nextInstant({ every: 3_600_000 }, "UTC", ms("2026-05-01T02:10:00Z"), ms("2026-05-01T09:00:00Z"))).toBe(ms("2026-05-01T09:10:00Z"));
  });

  it("refuses an expression that is not one and names it", () => {
    expect(() => dueInstant({ cron: "61 * * * *" }, "UTC", 0, 1)).toThrow("61 * * * *");
  });
});
