import { expect, test } from "vitest";
import { HeadObjectCommand } from "@aws-sdk/client-s3";
import { asHoldfastError } from "../../lib/errors.ts";
import { s3Error } from "./errors.ts";
import { describePlace, type S3Options, s3OptionsSchema } from "./options.ts";
import { s3Place } from "./place.ts";

const OPTIONS = { endpoint: "http://store.example.org:9000", bucket: "backups", accessKeyId: "id", secretAccessKey: "sesame" };

const parsed = (more: Readonly<Record<string, unknown>> = {}): S3Options => s3OptionsSchema.parse({ ...OPTIONS, ...more });

test.each<[string, Record<string, unknown>, string]>([
  ["no bucket", { bucket: undefined }, "bucket"],
  ["a bucket's name that is none", { bucket: "Back ups" }, "is not the name of a bucket"],
  ["an endpoint without a scheme", { endpoint: "store.example.org" }, "is not an address"],
  ["an endpoint with a path", { endpoint: "https://store.example.org/bucket" }, "is not an address"],
  ["credentials in the endpoint", { endpoint: "https://user:word@store.example.org" }, "is not an address"],
  ["a prefix that leads out", { prefix: "a/../b" }, "is not a prefix"],
  ["a prefix with a slash at its end", { prefix: "a/" }, "is not a prefix"],
  ["two sources of the secret", { secretAccessKeyEnv: "SECRET" }, "give only one of"],
  ["a key without its secret", { secretAccessKey: undefined }, "`accessKeyId` needs one of"],
  ["a secret without its key", { accessKeyId: undefined }, "needs `accessKeyId`"],
  ["a lock of no kind", { lock: {} }, "mode"],
  ["a lock that is over at once", { lock: { mode: "compliance", uncommittedLock: "1s" } }, "must be at least 1m"],
  ["a storage class that has to be woken", { storageClass: "DEEP_ARCHIVE" }, "cannot be read at once"],
  ["a storage class that is no word for one", { storageClass: "cold" }, "is not a storage class"],
  ["an unknown field", { buckett: "x" }, "buckett"],
])("%s is refused", (_what, more, said) => {
  const result = s3OptionsSchema.safeParse({ ...OPTIONS, ...more });
  expect(result.success).toBe(false);
  const text = JSON.stringify(result.error?.issues);
  expect(text).toContain(said);
  expect(text).not.toContain("sesame");
});

test("credentials may be left to the environment, and locks have periods of their own", () => {
  const options = parsed({ accessKeyId: undefined, secretAccessKey: undefined, lock: { mode: "compliance" } });
  expect(options.lock).toEqual({ mode: "compliance", uncommittedLock: 3 * 86_400_000, committedLock: 30 * 86_400_000 });
});

test("it is described without secrets", () => {
  expect(describePlace(parsed({ prefix: "one/two" }))).toBe("S3 bucket backups/one/two at store.example.org:9000");
  expect(describePlace(parsed({ endpoint: undefined, region: "eu-west-1" }))).toBe("S3 bucket backups at Amazon eu-west-1");
});

test.each<[string, Record<string, unknown>, string, string]>([
  ["by path at an endpoint", {}, "store.example.org", "/backups/p/k"],
  ["by host name when told", { style: "virtual-host" }, "backups.store.example.org", "/p/k"],
  ["by host name at Amazon", { endpoint: undefined }, "backups.s3.us-east-1.amazonaws.com", "/p/k"],
  ["by path at Amazon when told", { endpoint: undefined, style: "path" }, "s3.us-east-1.amazonaws.com", "/backups/p/k"],
])("a bucket is named %s", async (_how, more, hostname, path) => {
  const place = s3Place(parsed({ prefix: "p", ...more }));
  const sent: { hostname: string; path: string }[] = [];
  place.client.middlewareStack.add(
    () => async (args) => {
      sent.push(args.request as { hostname: string; path: string });
      throw new Error("not sent");
    },
    { step: "finalizeRequest", priority: "low" },
  );
  await expect(place.client.send(new HeadObjectCommand({ Bucket: place.bucket, Key: place.keyOf("k") }))).rejects.toThrow("not sent");
  expect(sent[0]).toMatchObject({ hostname, path });
});

const said = (name: string, status: number | undefined): Error => Object.assign(new Error("said so"), { name, Code: name, $metadata: { httpStatusCode: status } });

test.each<[string, number | undefined, string, boolean]>([
  ["SlowDown", 503, "STORAGE_FAILED", true],
  ["TooManyRequests", 429, "STORAGE_FAILED", true],
  ["InternalError", 500, "STORAGE_FAILED", true],
  ["BadGateway", 502, "STORAGE_FAILED", true],
  ["ConditionalRequestConflict", 409, "STORAGE_FAILED", true],
  ["BadDigest", 400, "STORAGE_FAILED", true],
  ["XAmzContentSHA256Mismatch", 400, "STORAGE_FAILED", true],
  ["ECONNRESET", undefined, "STORAGE_FAILED", true],
  ["QuotaExceeded", 403, "STORAGE_FULL", true],
  ["XMinioStorageFull", 507, "STORAGE_FULL", true],
  ["AccessDenied", 403, "STORAGE_REFUSED", false],
  ["SignatureDoesNotMatch", 403, "STORAGE_REFUSED", false],
  ["InvalidAccessKeyId", 403, "STORAGE_REFUSED", false],
  ["ExpiredToken", 400, "STORAGE_REFUSED", false],
  ["InvalidArgument", 400, "STORAGE_REFUSED", false],
  ["RequestTimeTooSkewed", 403, "CLOCK_WRONG", false],
  ["NoSuchBucket", 404, "STORAGE_UNSUITABLE", false],
  ["NotImplemented", 501, "STORAGE_UNSUITABLE", false],
  ["PermanentRedirect", 301, "STORAGE_UNSUITABLE", false],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", undefined, "STORAGE_UNSUITABLE", false],
  ["NoSuchKey", 404, "OBJECT_NOT_FOUND", false],
])("%s %s becomes %s and names the object", (name, status, code, mayHelp) => {
  const told = asHoldfastError(s3Error(said(name, status), "stored", "k in the S3 bucket b"));
  expect(told).toMatchObject({ code, message: expect.stringMatching(new RegExp(`k in the S3 bucket b could not be stored: .*${name}`)) as string });
  expect(told.row.retry).toBe(mayHelp);
  expect(told.hint).not.toBe("");
});
