import { describe, expect, test, vi } from "vitest";
import { HoldfastError } from "./errors.ts";
import { retry } from "./retry.ts";

const PAUSES = { tries: 3, firstPauseMs: 1, maxPauseMs: 1 };
const passing = new HoldfastError("UNREACHABLE", "Nobody is there.");
const lasting = new HoldfastError("NOT_FOUND", "There is none.");

describe("an operation that is tried again", () => {
  test("is so as often as it may be, while the table says that this may help", async () => {
    const failing = vi.fn(() => Promise.reject(passing));
    await expect(retry(failing, PAUSES)).rejects.toBe(passing);
    expect(failing.mock.calls).toEqual([[0], [1], [2]]);
    const gone = vi.fn(() => Promise.reject(lasting));
    await expect(retry(gone, PAUSES)).rejects.toBe(lasting);
    expect(gone).toHaveBeenCalledOnce();
  });

  test("is so for the errors that the caller names instead", async () => {
    const mayRetry = (error: unknown): boolean => error === lasting;
    expect(await retry(async (failures) => (failures < 2 ? Promise.reject(lasting) : "there"), { ...PAUSES, mayRetry })).toBe("there");
    const failing = vi.fn(() => Promise.reject(passing));
    await expect(retry(failing, { ...PAUSES, mayRetry })).rejects.toBe(passing);
    expect(failing).toHaveBeenCalledOnce();
  });

  test("is not begun, and not waited for, once the signal has ended it", async () => {
    const stopping = new AbortController();
    const failing = vi.fn(() => {
      setImmediate(() => stopping.abort(new Error("enough")));
      return Promise.reject(passing);
    });
    const options = { tries: 3, firstPauseMs: 3_600_000, maxPauseMs: 3_600_000, signal: stopping.signal };
    await expect(retry(failing, options)).rejects.toThrow("enough");
    await expect(retry(failing, options)).rejects.toThrow("enough");
    expect(failing).toHaveBeenCalledOnce();
  });
});
