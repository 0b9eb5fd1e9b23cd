import { expect, it } from "vitest";
import { threadFailure } from "./thread.ts";

it.each([
  ["Worker initialization failure: EMFILE", "STORAGE_FAILED", true],
  ["Cannot read package config /opt/holdfast/package.json: too many open files.", "STORAGE_FAILED", true],
  ["Cannot read properties of undefined", "INTERNAL", false],
])("tells a machine without file handles from a fault of the program: %s", (why, code, mayPass) => {
  const error = threadFailure("The opener thread", new Error(why));
  expect([error.code, error.row.retry, error.message]).toEqual([code, mayPass, `The opener thread failed: ${why}`]);
});
