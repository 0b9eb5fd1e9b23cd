import { expect, test } from "vitest";
import { readableLine } from "./readable-log.ts";

test("a log line becomes time, level, sentence and fields, and of an error only its code and message", () => {
  const record = { level: 40, time: "2026-01-01T00:00:00.000Z", instance: "shop", place: "a b", size: 3, msg: "attempt failed", err: { code: "TOOL_FAILED", message: "it broke", stack: "at x.ts:1" } };
  expect(readableLine(JSON.stringify(record))).toBe('2026-01-01T00:00:00.000Z WARN  attempt failed instance=shop place="a b" size=3 (TOOL_FAILED: it broke)\n');
});

test("a line that is no JSON stays as it is", () => {
  expect(readableLine("plain\n")).toBe("plain\n");
});
