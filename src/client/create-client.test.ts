import { expect, test, vi } from "vitest";
import { HoldfastError } from "../lib/errors.ts";
import { api } from "../model/api/index.ts";
import { createClient } from "./create-client.ts";

const pauses = { firstPauseMs: 1, maxPauseMs: 1 };

test.each([
  ["UNREACHABLE", 3],
  ["TOO_MANY_REQUESTS", 3],
  ["REQUEST_UNFINISHED", 3],
  // They may pass too, but that is for whoever asked to wait for.
  ["ALREADY_RUNNING", 1],
  ["STORAGE_FAILED", 1],
  ["NOT_FOUND", 1],
] as const)("a call that ends with %s is sent %i times", async (code, times) => {
  const request = vi.fn(() => Promise.reject(new HoldfastError(code, "No.")));
  await expect(createClient({ request }, { tries: 3, pauses }).call(api.jobs.show, { jobId: "01KAJ3V0Q8M5ZC2X7T4R6N9PDH" })).rejects.toMatchObject({ code });
  expect(request).toHaveBeenCalledTimes(times);
});
