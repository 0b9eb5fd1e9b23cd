import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { lockedStorage } from "../../test/fakes/locked-storage.ts";
import { systemClock } from "../lib/clock.ts";
import { memoryStorage } from "./memory.ts";
import { tracedStorage } from "./traced.ts";

const bytes = Buffer.from("holdfast");
const promised = { sizeBytes: bytes.byteLength, sha256: createHash("sha256").update(bytes).digest("hex") };

test("each call leaves one line: what, of which object, how long, and how it failed", async () => {
  const lines: Record<string, unknown>[] = [];
  const log = { debug: (fields: object) => void lines.push(fields as Record<string, unknown>) };
  const locked = lockedStorage(memoryStorage.open({}), { clock: systemClock, uncommittedMs: 60_000, committedMs: 60_000 });
  const storage = tracedStorage(locked, { repository: "main", log, clock: systemClock });

  await storage.put("a/b", [bytes], promised);
  await expect(storage.put("a/b", [bytes], promised)).rejects.toMatchObject({ code: "OBJECT_EXISTS" });
  for await (const chunk of await storage.get("a/b", { range: { start: 0, end: 4 } })) expect(chunk).toEqual(bytes.subarray(0, 4));
  await expect(storage.get("none")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
  await storage.stat("a/b");
  for await (const object of storage.list("a/")) expect(object.key).toBe("a/b");
  await expect(storage.delete(["a/b"])).rejects.toMatchObject({ code: "OBJECT_LOCKED" });
  await storage.lock?.hold("a/b", true);

  expect(lines).toEqual([
    { repository: "main", call: "put", key: "a/b", sizeBytes: 8, tookMs: expect.any(Number) as number },
    { repository: "main", call: "put", key: "a/b", sizeBytes: 8, tookMs: expect.any(Number) as number, failed: "OBJECT_EXISTS" },
    { repository: "main", call: "get", key: "a/b", range: { start: 0, end: 4 }, tookMs: expect.any(Number) as number },
    { repository: "main", call: "get", key: "none", tookMs: expect.any(Number) as number, failed: "OBJECT_NOT_FOUND" },
    { repository: "main", call: "stat", key: "a/b", tookMs: expect.any(Number) as number },
    { repository: "main", call: "list", prefix: "a/", count: 1, tookMs: expect.any(Number) as number },
    { repository: "main", call: "delete", keys: 1, first: "a/b", tookMs: expect.any(Number) as number, failed: "OBJECT_LOCKED" },
    { repository: "main", call: "lock hold", key: "a/b", isHeld: true, tookMs: expect.any(Number) as number },
  ]);
});
