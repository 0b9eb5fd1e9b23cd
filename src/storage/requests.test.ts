import { expect, test, vi } from "vitest";
import { ManualClock } from "../../test/fakes/agent-server.ts";
import { HoldfastError } from "../lib/errors.ts";
import { REQUEST_RETRIES, sendAgain, sendInTurn, sendPlainly } from "./requests.ts";

const busy = (): HoldfastError => new HoldfastError("STORAGE_FAILED", "the store asks to slow down");

test("a request is sent again while its error says that this may help, and each pause is told", async () => {
  const told: unknown[] = [];
  const request = vi.fn().mockRejectedValueOnce(busy()).mockRejectedValueOnce(busy()).mockResolvedValue("stored");
  const send = sendAgain(sendPlainly, (error) => told.push(error));
  await expect(send(request)).resolves.toBe("stored");
  expect(request).toHaveBeenCalledTimes(3);
  expect(told).toEqual([expect.objectContaining({ code: "STORAGE_FAILED" }), expect.objectContaining({ code: "STORAGE_FAILED" })]);
});

test("a refusal, and a request that can be tried only once, are not sent again", async () => {
  const refused = vi.fn().mockRejectedValue(new HoldfastError("STORAGE_REFUSED", "no"));
  await expect(sendAgain(sendPlainly)(refused)).rejects.toMatchObject({ code: "STORAGE_REFUSED" });
  expect(refused).toHaveBeenCalledTimes(1);
  const once = vi.fn().mockRejectedValue(busy());
  await expect(sendAgain(sendPlainly)(once, { isTriedOnce: true })).rejects.toMatchObject({ code: "STORAGE_FAILED" });
  expect(once).toHaveBeenCalledTimes(1);
});

test("trouble that stays is given up after so many tries", async () => {
  vi.useFakeTimers();
  try {
    const request = vi.fn().mockRejectedValue(busy());
    const sent = expect(sendAgain(sendPlainly)(request)).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    await vi.runAllTimersAsync();
    await sent;
    expect(request).toHaveBeenCalledTimes(REQUEST_RETRIES.tries);
  } finally {
    vi.useRealTimers();
  }
});

test("requests that come together go one after another, so many a second, and a wait ends with the signal", async () => {
  vi.useFakeTimers();
  try {
    const sentAtMs: number[] = [];
    const clock = { monotonicMs: () => Date.now() };
    const startMs = Date.now();
    const send = sendInTurn(sendPlainly, 10, clock);
    const all = Promise.all(Array.from({ length: 5 }, () => send(async () => void sentAtMs.push(Date.now() - startMs))));
    await vi.runAllTimersAsync();
    await all;
    expect(sentAtMs).toEqual([0, 100, 200, 300, 400]);
  } finally {
    vi.useRealTimers();
  }
  const stop = new AbortController();
  const send = sendInTurn(sendPlainly, 1, new ManualClock());
  await send(async () => undefined);
  const waiting = send(async () => undefined, { signal: stop.signal });
  stop.abort(new Error("stopped by hand"));
  await expect(waiting).rejects.toThrow("stopped by hand");
});
