import { expect, test } from "vitest";
import type { Client } from "../client/client.ts";
import { type ErrorCode, HoldfastError } from "../lib/errors.ts";
import { silentLog } from "../lib/log.ts";
import { api } from "../model/api/index.ts";
import { patientClient } from "./patient-client.ts";

const pauses = { firstPauseMs: 0, maxPauseMs: 0 };
const failing = (count: number, code: ErrorCode): { client: Client; calls: () => number } => {
  let calls = 0;
  const call = (): Promise<never> => ((calls += 1) <= count ? Promise.reject(new HoldfastError(code, "no")) : Promise.resolve({ jobs: [] } as never));
  return { client: { call }, calls: () => calls };
};

test("a server that is away is asked until it answers, and every other error is thrown at once", async () => {
  const away = failing(50, "UNREACHABLE");
  expect(await patientClient(away.client, { log: silentLog, pauses }).call(api.jobs.list, { limit: 1 }, new AbortController().signal)).toEqual({ jobs: [] });
  expect(away.calls()).toBe(51);
  const refused = failing(1, "GRANT_INVALID");
  await expect(patientClient(refused.client, { log: silentLog, pauses }).call(api.jobs.list, { limit: 1 }, new AbortController().signal)).rejects.toMatchObject({ code: "GRANT_INVALID" });
  expect(refused.calls()).toBe(1);
});

test("the end of the lease ends the waiting, with its reason", async () => {
  const lease = new AbortController();
  const { client } = failing(Number.POSITIVE_INFINITY, "UNREACHABLE");
  const call = patientClient(client, { log: silentLog, pauses: { firstPauseMs: 60_000, maxPauseMs: 60_000 } }).call(api.jobs.list, { limit: 1 }, lease.signal);
  lease.abort(new HoldfastError("LEASE_LOST", "It is over."));
  await expect(call).rejects.toMatchObject({ code: "LEASE_LOST" });
});
