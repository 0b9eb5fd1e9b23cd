import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatInZone, parseTime } from "./zoned-time.ts";

const iso = (epochMs: number): string => new Date(epochMs).toISOString();

describe("parseTime", () => {
  it("reads a time without an offset on the zone's clocks", () => {
    expect(iso(parseTime("2026-11-21 14:02:59", "Europe/Berlin"))).toBe("2026-11-21T13:02:59.000Z");
    expect(iso(parseTime("2026-07-01 14:02", "Asia/Kolkata"))).toBe("2026-07-01T08:32:00.000Z");
    expect(iso(parseTime("2026-07-01", "America/New_York"))).toBe("2026-07-01T04:00:00.000Z");
  });

  it("believes an offset over the zone", () => {
    expect(iso(parseTime("2026-11-21T14:02:59Z", "Europe/Berlin"))).toBe("2026-11-21T14:02:59.000Z");
    expect(iso(parseTime("2026-11-21 14:02:59+09:00", "Europe/Berlin"))).toBe("2026-11-21T05:02:59.000Z");
  });

  it("refuses an hour that a clock change shows twice, and one that it skips", () => {
    expect(() => parseTime("2026-10-25 02:30:00", "Europe/Berlin")).toThrow(/exists twice/);
    expect(() => parseTime("2026-03-29 02:30:00", "Europe/Berlin")).toThrow(/does not exist/);
    expect(() => parseTime("2026-04-05 01:45:00", "Australia/Lord_Howe")).toThrow(/exists twice/);
  });

  it.each(["yesterday", "2026-13-01", "2026-02-30 10:00", "14:02", "2026-11-21 25:00", ""])("refuses %j", (text) => {
    expect(() => parseTime(text, "UTC")).toThrow(/is not a time/);
  });

  it("reads back what formatInZone writes, wherever the clock shows it once", () => {
    const zones = ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Australia/Lord_Howe"];
    fc.assert(
      fc.property(fc.integer({ min: 1_600_000_000, max: 1_900_000_000 }), fc.constantFrom(...zones), (epochS, zone) => {
        const [day, clock] = formatInZone(iso(epochS * 1_000), zone).split(" ");
        try {
          expect(parseTime(`${day ?? ""} ${clock ?? ""}`, zone)).toBe(epochS * 1_000);
        } catch (error) {
          expect(String(error)).toMatch(/exists twice/);
        }
      }),
    );
  });
});
