import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { ManualClock } from "../../test/fakes/agent-server.ts";
import { delay, systemClock } from "../lib/clock.ts";
import { Pace } from "../lib/pace.ts";
import { memoryStorage } from "./memory.ts";
import { isReadableAgain, pacedBody } from "./paced-body.ts";
import { throttledStorage } from "./throttled.ts";

const MIB = 1024 ** 2;
const bytes = Buffer.alloc(MIB, "holdfast");
const promised = { sizeBytes: bytes.byteLength, sha256: createHash("sha256").update(bytes).digest("hex") };

test("what goes up and what comes down is held to its limit", async () => {
  const plain = memoryStorage.open({});
  // On a clock that stands still, what is beyond the first moment's credit never gets its turn.
  const storage = throttledStorage(plain, { uploadBytesPerS: 64 * 1024, downloadBytesPerS: 64 * 1024 }, new ManualClock());
  const stop = new AbortController();
  const put = storage.put("a", [bytes], { ...promised, signal: stop.signal });
  await delay(50);
  stop.abort(new Error("stopped by hand"));
  await expect(put).rejects.toThrow("stopped by hand");
  expect(await plain.stat("a")).toBeNull();

  await plain.put("b", [bytes], promised);
  const given = new AbortController();
  const reading = (async () => {
    for await (const chunk of await storage.get("b", { signal: given.signal })) expect((chunk as Uint8Array).byteLength).toBeLessThan(bytes.byteLength);
  })();
  await delay(50);
  given.abort(new Error("given up"));
  await expect(reading).rejects.toThrow("given up");
});

test("a paced body can be read as often as what is in it", () => {
  const pace = new Pace(MIB, systemClock);
  expect(isReadableAgain(pacedBody([bytes], pace, undefined))).toBe(true);
  const once = (function* () {
    yield bytes;
  })();
  expect(isReadableAgain(once)).toBe(false);
  expect(isReadableAgain(pacedBody(once, pace, undefined))).toBe(false);
});
