import { expect, test } from "vitest";
import { grantBy } from "../../../test/fixtures/grants.ts";
import { generateSigningKey, signerFrom } from "../../lib/signing.ts";
import { grantHeader, readGrantHeader } from "../../model/gateway-protocol.ts";
import type { OfferedGrant, SignedRequest } from "../../model/grant.ts";
import { s3OptionsSchema } from "./options.ts";
import { s3Place } from "./place.ts";
import { presignedWay } from "./presigned-way.ts";
import { type Purpose, requestOf } from "./presigned-request.ts";
import { requestSigner } from "./sign.ts";

const QUARTER_MS = 15 * 60_000;
const KEY = "i/backups/b/000000 'x'.zst.age";
const OBJECT = { sizeBytes: 19, sha256: "81e999843640df933825b2bdbdd3a7a949cc2bc12949fd7f71066013dfba89c7" };
const signer = signerFrom(generateSigningKey());

const signFor = (more: Record<string, unknown> = {}, requireSuitable = () => Promise.resolve()) =>
  requestSigner(s3Place(s3OptionsSchema.parse({ endpoint: "https://store.example.org:9000", bucket: "backups", accessKeyId: "id", secretAccessKey: "sesame", ...more })), requireSuitable);

const signedNames = ({ headers }: SignedRequest): string[] => /SignedHeaders=([^,]*)/.exec(headers["authorization"] ?? "")?.[1]?.split(";") ?? [];
const datedMs = ({ headers }: SignedRequest): number => Date.parse((headers["x-amz-date"] ?? "").replace(/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/, "$1-$2-$3T$4:$5:$6Z"));

test("a signed write is bound to key, length, hash, the condition and the lock, and to nothing that is not signed", async () => {
  const { transfer, confirm } = await signFor({ prefix: "p", lock: { mode: "compliance", uncommittedLock: "1h" } }).put(KEY, OBJECT, Date.now() + QUARTER_MS);
  expect(transfer).toMatchObject({ method: "PUT", url: "https://store.example.org:9000/backups/p/i/backups/b/000000%20%27x%27.zst.age" });
  expect(confirm).toMatchObject({ method: "HEAD", url: transfer.url });
  const checksum = Buffer.from(OBJECT.sha256, "hex").toString("base64");
  expect(transfer.headers).toMatchObject({ "content-length": "19", "if-none-match": "*", "x-amz-content-sha256": OBJECT.sha256, "x-amz-checksum-sha256": checksum, "x-amz-meta-holdfast-sha256": OBJECT.sha256, "x-amz-object-lock-mode": "COMPLIANCE" });
  expect(Date.parse(transfer.headers["x-amz-object-lock-retain-until-date"] ?? "")).toBeGreaterThan(Date.now() + 3_500_000);
  for (const request of [transfer, confirm]) {
    expect(signedNames(request)).toEqual(Object.keys(request.headers).filter((name) => name !== "authorization").toSorted());
    expect(JSON.stringify(request)).not.toContain("sesame");
  }
});

test("an object goes into the class that the repository names, and into the store's own without one", async () => {
  const storageClassOf = async (more: Record<string, unknown>): Promise<string | undefined> => (await signFor(more).put(KEY, OBJECT, Date.now() + QUARTER_MS)).transfer.headers["x-amz-storage-class"];
  expect([await storageClassOf({ storageClass: "GLACIER_IR" }), await storageClassOf({})]).toEqual(["GLACIER_IR", undefined]);
});

test("a signed read takes any range of one object, and is found where the bucket is", async () => {
  const request = await signFor({ endpoint: undefined, region: "eu-west-1" }).get(KEY, Date.now() + QUARTER_MS);
  expect(request).toMatchObject({ method: "GET", url: "https://backups.s3.eu-west-1.amazonaws.com/i/backups/b/000000%20%27x%27.zst.age" });
  expect(signedNames(request)).toEqual(expect.arrayContaining(["host", "x-amz-content-sha256", "x-amz-date"]));
  expect(signedNames(request)).not.toContain("range");
});

test("a request is dated so that no store takes it after its end, and never in the future", async () => {
  const [soon, late] = [Date.now() + 60_500, Date.now() + 10 * QUARTER_MS];
  const early = await signFor().get(KEY, soon);
  expect(datedMs(early) + QUARTER_MS).toBeLessThanOrEqual(soon);
  expect(datedMs(early) + QUARTER_MS).toBeGreaterThan(soon - 1_000);
  expect(datedMs(await signFor().get(KEY, late))).toBeLessThanOrEqual(Date.now());
});

test("nothing is signed for a place that is not to be written to, for no key, and for more than one request stores", async () => {
  const unsuitable = new Error("no lock");
  await expect(signFor({}, () => Promise.reject(unsuitable)).put(KEY, OBJECT, Date.now())).rejects.toBe(unsuitable);
  for (const key of ["../x", "a/../b", ".tmp/x"]) {
    await expect(signFor().put(key, OBJECT, Date.now())).rejects.toMatchObject({ code: "INPUT_INVALID" });
    await expect(signFor().get(key, Date.now())).rejects.toMatchObject({ code: "INPUT_INVALID" });
  }
  await expect(signFor().put(KEY, { ...OBJECT, sizeBytes: 5 * 1024 ** 3 + 1 }, Date.now())).rejects.toMatchObject({ code: "INPUT_INVALID" });
});

const request = (more: Partial<SignedRequest> = {}): SignedRequest => ({ method: "PUT", url: "https://store.example.org/backups/i/k", headers: { host: "store.example.org" }, ...more });
const offered = (transfer: SignedRequest, more: { operation?: "put" | "get" } = {}): OfferedGrant => ({ ...grantBy(signer, Buffer.alloc(0), { key: "i/k", ...more }), request: { transfer } });

test.each<[string, OfferedGrant, Purpose, string]>([
  ["none at all", grantBy(signer, Buffer.alloc(0), { key: "i/k" }), "put", "STORAGE_UNSUITABLE"],
  ["none to confirm with", offered(request()), "confirm", "STORAGE_UNSUITABLE"],
  ["another method", offered(request({ method: "GET" })), "put", "GRANT_INVALID"],
  ["a write beside a grant to read", offered(request(), { operation: "get" }), "put", "GRANT_INVALID"],
  ["another key", offered(request({ url: "https://store.example.org/backups/i/other" })), "put", "GRANT_INVALID"],
  ["a key that only ends alike", offered(request({ url: "https://store.example.org/backups/xi/k" })), "put", "GRANT_INVALID"],
  ["a path that leads on", offered(request({ url: "https://store.example.org/backups/i/k/../i/k" })), "put", "GRANT_INVALID"],
  ["a question", offered(request({ url: "https://store.example.org/backups/i/k?acl" })), "put", "GRANT_INVALID"],
  ["a question without words", offered(request({ url: "https://store.example.org/backups/i/k?" })), "put", "GRANT_INVALID"],
  ["a password", offered(request({ url: "https://u:p@store.example.org/backups/i/k" })), "put", "GRANT_INVALID"],
  ["another host than was signed", offered(request({ headers: { host: "else.example.org" } })), "put", "GRANT_INVALID"],
  ["an open line", offered(request({ url: "http://store.example.org/backups/i/k" })), "put", "GRANT_INVALID"],
])("a request is not sent: %s", (_what, grant, purpose, code) => {
  expect(() => requestOf(grant, purpose, { plainHttp: false })).toThrow(expect.objectContaining({ code }) as Error);
});

test("an open line may be asked for, and is none on this machine", () => {
  const open = request({ url: "http://store.example.org/backups/i/k" });
  expect(requestOf(offered(open), "put", { plainHttp: true })).toEqual({ method: "PUT", origin: "http://store.example.org", path: "/backups/i/k", headers: open.headers });
  const here = request({ url: "http://127.0.0.1:9000/b/i/k", headers: { host: "127.0.0.1:9000" } });
  expect(requestOf(offered(here), "put", { plainHttp: false }).origin).toBe("http://127.0.0.1:9000");
});

test("a gateway is never shown the request beside a grant", () => {
  const grant = offered(request());
  expect(readGrantHeader(grantHeader(grant))).toEqual({ kind: grant.kind, body: grant.body, signature: grant.signature });
  expect(Buffer.from(grantHeader(grant).split(" ")[1] ?? "", "base64url").toString()).not.toContain("store.example.org");
});

test("the way names its file when that holds no certificate", async () => {
  const options = presignedWay.options.parse({ caFile: import.meta.filename });
  expect(options).toMatchObject({ idleTimeout: 60_000, plainHttp: false });
  await expect(presignedWay.open(options, "repositories.main.options")).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("repositories.main.options.caFile") as string });
});
