import { DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { openStorage } from "../../src/storage/index.ts";
import { s3Storage } from "../../src/storage/s3/index.ts";
import type { Storage, StoredObject } from "../../src/storage/storage.ts";
import { describeObjectLock } from "../contract/object-lock.ts";
import { promiseOf } from "../fixtures/promise-of.ts";
import { noCeph, startCeph } from "../fixtures/s3-ceph.ts";
import { adminOf, makeBucket, optionsFor, type S3Server } from "../fixtures/s3-server.ts";
import { noVersitygw, startVersitygw } from "../fixtures/s3-versitygw.ts";
import { tempDir } from "../fixtures/temp.ts";
import { describeUnless } from "../skip.ts";

const MIB = 1024 ** 2;
const COMPLIANCE = { mode: "compliance", uncommittedLock: "1h", committedLock: "1d" };

function put(storage: Storage, key: string, text: string): Promise<unknown> {
  const body = Buffer.from(text);
  return storage.put(key, [body], promiseOf(body));
}

async function allOf(objects: AsyncIterable<StoredObject>): Promise<StoredObject[]> {
  const all: StoredObject[] = [];
  for await (const object of objects) all.push(object);
  return all;
}

/** A storage with a lock shorter than a configuration may say. */
async function lockedStorage(server: S3Server, uncommittedMs: number): Promise<Storage> {
  const bucket = await makeBucket(server, { lock: true });
  const options = s3Storage.options.parse(optionsFor(server, bucket, { lock: COMPLIANCE }));
  return s3Storage.open({ ...options, lock: { mode: "compliance", uncommittedLock: uncommittedMs, committedLock: uncommittedMs } });
}

describeUnless(noVersitygw, "the s3 driver on versitygw", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startVersitygw();
  });
  afterAll(() => server.stop());
  afterEach(() => {
    vi.useRealTimers();
  });

  describeObjectLock("a bucket with Object Lock", (uncommittedMs) => lockedStorage(server, uncommittedMs));

  describe("a bucket that does not suit", () => {
    test("a bucket without versioning and lock is refused before anything is stored, and told how to make one", async () => {
      const bucket = await makeBucket(server);
      const storage = openStorage("s3", optionsFor(server, bucket, { lock: COMPLIANCE }));
      const refused = { code: "STORAGE_UNSUITABLE", message: expect.stringMatching(/no versioning and no Object Lock/) as string, hint: expect.stringContaining("Make a new bucket") as string };
      await expect(put(storage, "k", "x")).rejects.toMatchObject(refused);
      expect(await storage.stat("k")).toBeNull();
    });

    test("a bucket that does not exist is said by every call", async () => {
      const storage = openStorage("s3", optionsFor(server, "no-such-bucket"));
      const missing = { code: "STORAGE_UNSUITABLE", message: expect.stringContaining("no-such-bucket") as string };
      await expect(put(storage, "k", "x")).rejects.toMatchObject(missing);
      await expect(storage.get("k")).rejects.toMatchObject(missing);
      await expect(storage.stat("k")).rejects.toMatchObject(missing);
      await expect(storage.delete(["k"])).rejects.toMatchObject(missing);
      await expect(allOf(storage.list(""))).rejects.toMatchObject(missing);
    });
  });

  describe("who asks", () => {
    test("a wrong secret and an unknown key are refused, and the secret is in no message", async () => {
      const bucket = await makeBucket(server);
      for (const wrong of [{ secretAccessKey: "not-the-secret" }, { accessKeyId: "nobody" }]) {
        const storage = openStorage("s3", optionsFor(server, bucket, wrong));
        const error: unknown = await put(storage, "k", "x").catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ code: "STORAGE_REFUSED", message: expect.stringContaining("credentials") as string });
        expect(String(error)).not.toContain("secret");
      }
    });

    test("the secret comes from a file or a variable as well", async () => {
      const bucket = await makeBucket(server);
      const dir = await tempDir();
      const path = join(dir.path, "secret");
      await writeFile(path, `${server.secretAccessKey}\n`);
      await put(openStorage("s3", optionsFor(server, bucket, { secretAccessKey: undefined, secretAccessKeyFile: path })), "by-file", "x");
      vi.stubEnv("TEST_S3_SECRET", server.secretAccessKey);
      await put(openStorage("s3", optionsFor(server, bucket, { secretAccessKey: undefined, secretAccessKeyEnv: "TEST_S3_SECRET" })), "by-variable", "x");
      vi.unstubAllEnvs();
      const unset = openStorage("s3", optionsFor(server, bucket, { secretAccessKey: undefined, secretAccessKeyEnv: "TEST_S3_SECRET" }));
      await expect(put(unset, "k", "x")).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("TEST_S3_SECRET") as string });
      await dir.remove();
    });

    test.each([
      [3_600_000, "ahead of"],
      [-3_600_000, "behind"],
    ])("a clock that is %i ms off is named, with which way and the remedy", async (offMs, way) => {
      const bucket = await makeBucket(server);
      const storage = openStorage("s3", optionsFor(server, bucket));
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + offMs });
      const wrong = { code: "CLOCK_WRONG", message: expect.stringMatching(new RegExp(`clock of this machine is 3[56]\\d\\d s ${way} the store's`)) as string, hint: expect.stringContaining("timedatectl") as string };
      await expect(put(storage, "k", "x")).rejects.toMatchObject(wrong);
      // Not corrected behind anybody's back either.
      await expect(put(storage, "k", "x")).rejects.toMatchObject(wrong);
    });
  });

  test("governance with the right to bypass is told as what it is", async () => {
    const bucket = await makeBucket(server, { lock: true });
    const storage = openStorage("s3", optionsFor(server, bucket, { lock: { ...COMPLIANCE, mode: "governance" } }));
    await put(storage, "k", "x");
    const trials = await storage.lock!.tryToBreak("k");
    expect(trials.find(({ attempt }) => attempt === "delete it")).toMatchObject({ isRefused: true });
    expect(trials.find(({ attempt }) => attempt === "delete it with the right to bypass")).toMatchObject({ isRefused: false });
  });

  test("a delete removes what somebody else has hidden, and every version of it", async () => {
    const bucket = await makeBucket(server, { lock: true });
    const storage = openStorage("s3", optionsFor(server, bucket));
    await put(storage, "k", "x");
    const admin = adminOf(server);
    await admin.send(new PutObjectCommand({ Bucket: bucket, Key: "k", Body: "another version" }));
    await admin.send(new DeleteObjectCommand({ Bucket: bucket, Key: "k" }));
    expect(await storage.stat("k")).toBeNull();
    await storage.delete(["k"]);
    await put(storage, "k", "y");
    expect(await storage.stat("k")).toEqual({ key: "k", sizeBytes: 1 });
    admin.destroy();
  });

  test("repositories below different prefixes of one bucket do not see each other", async () => {
    const bucket = await makeBucket(server);
    const [one, other] = ["one", "other"].map((prefix) => openStorage("s3", optionsFor(server, bucket, { prefix })));
    await put(one!, "k", "of one");
    expect(await other!.stat("k")).toBeNull();
    expect((await allOf(one!.list(""))).map(({ key }) => key)).toEqual(["k"]);
    expect(await allOf(other!.list(""))).toEqual([]);
  });

  test("an object many times larger than the memory it may take goes through, and is read at its end", async () => {
    const storage = openStorage("s3", optionsFor(server, await makeBucket(server)));
    const chunk = Buffer.alloc(4 * MIB, "holdfast");
    const [chunks, tail] = [160, Buffer.from("the end")];
    const hash = createHash("sha256");
    for (let number = 0; number < chunks; number += 1) hash.update(chunk);
    const sizeBytes = chunks * chunk.byteLength + tail.byteLength;
    let peakBytes = 0;
    async function* body(): AsyncGenerator<Uint8Array> {
      for (let number = 0; number < chunks; number += 1) {
        peakBytes = Math.max(peakBytes, process.memoryUsage().arrayBuffers);
        yield Buffer.from(chunk);
      }
      yield tail;
    }
    const before = process.memoryUsage().arrayBuffers;
    await storage.put("large", body(), { sizeBytes, sha256: hash.update(tail).digest("hex") });
    expect(peakBytes - before).toBeLessThan(160 * MIB);
    expect(await storage.stat("large")).toEqual({ key: "large", sizeBytes });
    const end = await storage.get("large", { range: { start: sizeBytes - 15, end: sizeBytes } });
    expect(Buffer.concat(await end.toArray()).toString()).toBe("holdfastthe end");
  });

  test("an object that one request cannot hold is refused before anything is sent", async () => {
    const storage = openStorage("s3", optionsFor(server, await makeBucket(server)));
    await expect(storage.put("k", [], { sizeBytes: 5 * 1024 ** 3 + 1, sha256: "0".repeat(64) })).rejects.toMatchObject({ code: "INPUT_INVALID" });
  });
});

describeUnless(noCeph, "the s3 driver on Ceph", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startCeph();
  });
  afterAll(() => server.stop());

  test("a store that would overwrite objects in a bucket with versions is found out and refused", async () => {
    const storage = openStorage("s3", optionsFor(server, await makeBucket(server, { lock: true }), { lock: COMPLIANCE }));
    await expect(put(storage, "k", "x")).rejects.toMatchObject({ code: "STORAGE_UNSUITABLE", message: expect.stringContaining("If-None-Match") as string });
    expect(await storage.stat("k")).toBeNull();
  });
});
