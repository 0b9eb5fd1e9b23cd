import { HeadObjectCommand, type HeadObjectCommandOutput, ListObjectVersionsCommand, type S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SignedRequest } from "../../src/model/grant.ts";
import { offeredGet, offeredPut, type PresignedGround, presignedGround } from "../fixtures/presigned.ts";
import { promiseOf } from "../fixtures/promise-of.ts";
import { noCeph, startCeph } from "../fixtures/s3-ceph.ts";
import { adminOf, type S3Server } from "../fixtures/s3-server.ts";
import { noVersitygw, startVersitygw } from "../fixtures/s3-versitygw.ts";
import { type SentRequest, sendSigned } from "../fixtures/send-signed.ts";
import { describeUnless } from "../skip.ts";

const BODY = Buffer.from("the bytes of a pack");
const STORED = Buffer.from("what was stored before");
const OTHER = Buffer.from("another backup's secret");
const KEY = "i/backups/new/000000.zst.age";
const STORED_KEY = "i/backups/old/000000.zst.age";
const OTHER_KEY = "j/backups/other/000000.zst.age";

/** What somebody holds who has taken over an agent's machine: requests in force, and some whose time is over. */
interface Loot {
  /** Not used yet. */
  readonly write: SignedRequest;
  readonly confirm: SignedRequest;
  /** Used: its object is there. */
  readonly used: SignedRequest;
  readonly read: SignedRequest;
  readonly lateWrite: SignedRequest;
  readonly lateConfirm: SignedRequest;
  readonly lateRead: SignedRequest;
  readonly otherBucket: string;
}

type Attempt = readonly [what: string, make: (loot: Loot) => SentRequest];

const atPath = (request: SignedRequest, path: string): string => `${new URL(request.url).origin}${path}`;
const pathTo = (request: SignedRequest, key: string): string => request.url.replace(/i\/backups\/.*/, key);
const bucketOf = (request: SignedRequest): string => `/${new URL(request.url).pathname.split("/")[1] ?? ""}`;
const write = ({ write: request }: Loot, more: Partial<SentRequest> = {}): SentRequest => ({ body: BODY, ...request, ...more });
const again = ({ used }: Loot, more: Partial<SentRequest> = {}): SentRequest => ({ body: STORED, ...used, ...more });
const withHeaders = (request: SignedRequest, more: Record<string, string>): Record<string, string> => ({ ...request.headers, ...more });
const without = (request: SignedRequest, ...names: string[]): Record<string, string> => Object.fromEntries(Object.entries(request.headers).filter(([name]) => !names.includes(name)));
const unlisted = (request: SignedRequest, name: string): Record<string, string> => ({ ...without(request, name), authorization: (request.headers["authorization"] ?? "").replace(`${name};`, "") });
const nowStamp = (): string => new Date().toISOString().replace(/[-:]|\.\d+/g, "");
const hashHeaders = (body: Uint8Array): Record<string, string> => {
  const { sha256 } = promiseOf(body);
  return { "x-amz-content-sha256": sha256, "x-amz-meta-holdfast-sha256": sha256, "x-amz-checksum-sha256": Buffer.from(sha256, "hex").toString("base64") };
};
const sized = (request: SignedRequest, body: Uint8Array): Pick<SentRequest, "headers" | "body"> => ({ headers: withHeaders(request, { "content-length": String(body.byteLength) }), body });
const xml = (request: SignedRequest, query: string, text: string): SentRequest => ({ ...request, method: "PUT", url: `${request.url}?${query}`, ...sized(request, Buffer.from(text)) });
const turned = Buffer.from(BODY).reverse();

const KEYS: readonly Attempt[] = [
  ["another free key", (loot) => write(loot, { url: pathTo(loot.write, "i/backups/new/000001.zst.age") })],
  ["another backup's object", (loot) => write(loot, { url: pathTo(loot.write, OTHER_KEY) })],
  ["the manifest beside it", (loot) => write(loot, { url: pathTo(loot.write, "i/backups/new/manifest.json") })],
  ["the repository's mark", (loot) => write(loot, { url: pathTo(loot.write, "holdfast.json") })],
  ["a key by a path that leads out", (loot) => write(loot, { url: `${loot.write.url}/../../../../${OTHER_KEY}` })],
  ["a key by an encoded path that leads out", (loot) => write(loot, { url: `${loot.write.url}/%2e%2e/%2e%2e/%2e%2e/%2e%2e/${OTHER_KEY}` })],
  ["a key by a path that is encoded twice", (loot) => write(loot, { url: loot.write.url.replaceAll("/new/", "/new%252f") })],
  ["a key below the granted one", (loot) => write(loot, { url: `${loot.write.url}/x` })],
  ["another bucket", (loot) => write(loot, { url: loot.write.url.replace(bucketOf(loot.write), `/${loot.otherBucket}`) })],
  ["a whole bucket", (loot) => write(loot, { url: atPath(loot.write, "/made-by-a-thief") })],
  ["a version of its choice", (loot) => write(loot, { url: `${loot.write.url}?versionId=null` })],
];

const OPERATIONS: readonly Attempt[] = [
  ["delete with a write's signature", (loot) => again(loot, { method: "DELETE" })],
  ["delete a version with a write's signature", (loot) => again(loot, { method: "DELETE", url: `${loot.used.url}?versionId=null` })],
  ["delete with a read's signature", (loot) => ({ ...loot.read, method: "DELETE" })],
  ["delete with a question's signature", (loot) => ({ ...loot.confirm, method: "DELETE", url: pathTo(loot.confirm, STORED_KEY) })],
  ["delete many", (loot) => ({ ...loot.used, method: "POST", url: atPath(loot.used, `${bucketOf(loot.used)}?delete`), ...sized(loot.used, Buffer.from(`<Delete><Object><Key>${STORED_KEY}</Key></Object></Delete>`)) })],
  ["delete under another name for it", (loot) => again(loot, { headers: withHeaders(loot.used, { "x-http-method-override": "DELETE" }) })],
  ["post instead of put", (loot) => write(loot, { method: "POST" })],
  ["read with a write's signature", (loot) => again(loot, { method: "GET" })],
  ["read with a question's signature", (loot) => ({ ...loot.confirm, method: "GET", url: pathTo(loot.confirm, STORED_KEY) })],
  ["write with a read's signature", (loot) => ({ ...loot.read, method: "PUT", ...sized(loot.read, BODY) })],
  ["write with a question's signature", (loot) => ({ ...loot.confirm, method: "PUT", ...sized(loot.confirm, BODY) })],
  ["begin a write in parts", (loot) => write(loot, { method: "POST", url: `${loot.write.url}?uploads` })],
  ["write a part", (loot) => write(loot, { url: `${loot.write.url}?partNumber=1&uploadId=x` })],
  ["change a lock", (loot) => xml(loot.used, "retention", "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2020-01-01T00:00:00Z</RetainUntilDate></Retention>")],
  ["lift a legal hold", (loot) => xml(loot.used, "legal-hold", "<LegalHold><Status>OFF</Status></LegalHold>")],
  ["open it to everybody", (loot) => xml(loot.used, "acl", "<AccessControlPolicy/>")],
  ["tag it", (loot) => xml(loot.used, "tagging", "<Tagging><TagSet/></Tagging>")],
  ["turn versions off", (loot) => xml({ ...loot.used, url: atPath(loot.used, bucketOf(loot.used)) }, "versioning", "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>")],
  ["let the bucket forget", (loot) => xml({ ...loot.used, url: atPath(loot.used, bucketOf(loot.used)) }, "lifecycle", "<LifecycleConfiguration/>")],
  ["open the bucket to everybody", (loot) => xml({ ...loot.used, url: atPath(loot.used, bucketOf(loot.used)) }, "policy", "{}")],
  ["change what the bucket locks", (loot) => xml({ ...loot.used, url: atPath(loot.used, bucketOf(loot.used)) }, "object-lock", "<ObjectLockConfiguration/>")],
];

const BYTES: readonly Attempt[] = [
  ["fewer bytes", (loot) => write(loot, sized(loot.write, BODY.subarray(1)))],
  ["more bytes", (loot) => write(loot, sized(loot.write, Buffer.concat([BODY, BODY])))],
  ["no bytes", (loot) => write(loot, sized(loot.write, Buffer.alloc(0)))],
  ["other bytes of the same length", (loot) => write(loot, { body: turned })],
  ["other bytes with their own hashes", (loot) => write(loot, { body: turned, headers: withHeaders(loot.write, hashHeaders(turned)) })],
  ["other bytes without any hash", (loot) => write(loot, { body: turned, headers: unlisted(loot.write, "x-amz-content-sha256") })],
  ["other bytes as unsigned ones", (loot) => write(loot, { body: turned, headers: withHeaders(loot.write, { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" }) })],
  ["other bytes in signed pieces", (loot) => write(loot, { body: turned, headers: withHeaders(loot.write, { "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER" }) })],
  ["other bytes without the checksum", (loot) => write(loot, { body: turned, headers: unlisted(loot.write, "x-amz-checksum-sha256") })],
  ["a length that is not said", (loot) => write(loot, { headers: { ...without(loot.write, "content-length"), "transfer-encoding": "chunked" } })],
  ["a copy of another backup's object", (loot) => write(loot, { headers: withHeaders(loot.write, { "x-amz-copy-source": `${bucketOf(loot.write)}/${OTHER_KEY}` }) })],
  ["another type", (loot) => write(loot, { headers: withHeaders(loot.write, { "content-type": "text/html" }) })],
];

const CONDITIONS: readonly Attempt[] = [
  ["again, just as it was", (loot) => again(loot)],
  ["again with other bytes", (loot) => again(loot, { body: Buffer.from(STORED).reverse() })],
  ["over it, without the condition", (loot) => again(loot, { headers: without(loot.used, "if-none-match") })],
  ["over it, with the condition out of the list too", (loot) => again(loot, { headers: unlisted(loot.used, "if-none-match") })],
  ["over it, with another condition", (loot) => again(loot, { headers: withHeaders(loot.used, { "if-none-match": '"x"' }) })],
  ["over it, with a condition beside", (loot) => again(loot, { headers: withHeaders(loot.used, { "if-match": "*" }) })],
];

const LOCKS: readonly Attempt[] = [
  ["without a lock", (loot) => write(loot, { headers: without(loot.write, "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date") })],
  ["without a lock, and out of the list", (loot) => write(loot, { headers: unlisted({ ...loot.write, headers: unlisted(loot.write, "x-amz-object-lock-mode") }, "x-amz-object-lock-retain-until-date") })],
  ["with a shorter lock", (loot) => write(loot, { headers: withHeaders(loot.write, { "x-amz-object-lock-retain-until-date": new Date(Date.now() + 60_000).toISOString() }) })],
  ["with a weaker lock", (loot) => write(loot, { headers: withHeaders(loot.write, { "x-amz-object-lock-mode": "GOVERNANCE" }) })],
  ["with a right to get around locks", (loot) => again(loot, { headers: withHeaders(loot.used, { "x-amz-bypass-governance-retention": "true" }) })],
  ["with an ACL of its own", (loot) => write(loot, { headers: withHeaders(loot.write, { "x-amz-acl": "public-read" }) })],
  ["with tags of its own", (loot) => write(loot, { headers: withHeaders(loot.write, { "x-amz-tagging": "a=b" }) })],
];

const TIMES: readonly Attempt[] = [
  ["write too late", ({ lateWrite }) => ({ ...lateWrite, body: BODY })],
  ["read too late", ({ lateRead }) => lateRead],
  ["ask too late", ({ lateConfirm }) => lateConfirm],
  ["write too late with another date", ({ lateWrite }) => ({ ...lateWrite, body: BODY, headers: withHeaders(lateWrite, { "x-amz-date": nowStamp() }) })],
  ["write too late with a date beside", ({ lateWrite }) => ({ ...lateWrite, body: BODY, headers: withHeaders(lateWrite, { date: new Date().toUTCString() }) })],
  ["write too late with an end of its own", ({ lateWrite }) => ({ ...lateWrite, body: BODY, url: `${lateWrite.url}?X-Amz-Expires=604800` })],
  ["read too late with another date", ({ lateRead }) => ({ ...lateRead, headers: withHeaders(lateRead, { "x-amz-date": nowStamp() }) })],
  ["read too late with an address instead", ({ lateRead }) => ({ ...lateRead, url: `${lateRead.url}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=${nowStamp()}&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Credential=x&X-Amz-Signature=y` })],
];

const READS: readonly Attempt[] = [
  ["another object", ({ read }) => ({ ...read, url: pathTo(read, OTHER_KEY) })],
  ["another object by a path that leads there", ({ read }) => ({ ...read, url: `${read.url}/../../../../${OTHER_KEY}` })],
  ["a version of its choice", ({ read }) => ({ ...read, url: `${read.url}?versionId=null` })],
  ["its lock", ({ read }) => ({ ...read, url: `${read.url}?retention` })],
  ["its ACL", ({ read }) => ({ ...read, url: `${read.url}?acl` })],
  ["what the bucket holds", ({ read }) => ({ ...read, url: atPath(read, bucketOf(read)) })],
  ["what the bucket holds, in the new way", ({ read }) => ({ ...read, url: atPath(read, `${bucketOf(read)}?list-type=2&prefix=`) })],
  ["what versions there are", ({ read }) => ({ ...read, url: atPath(read, `${bucketOf(read)}?versions`) })],
  ["what buckets there are", ({ read }) => ({ ...read, url: atPath(read, "/") })],
  ["with an answer for another", ({ read }) => ({ ...read, url: `${pathTo(read, OTHER_KEY)}?response-content-type=text/plain` })],
  ["another bucket's object", ({ read, otherBucket }) => ({ ...read, url: read.url.replace(bucketOf(read), `/${otherBucket}`) })],
  ["without a signature", ({ read }) => ({ ...read, headers: without(read, "authorization") })],
  ["with a signature that is one digit off", ({ read }) => ({ ...read, headers: withHeaders(read, { authorization: (read.headers["authorization"] ?? "").replace(/.$/, (digit) => (digit === "0" ? "1" : "0")) }) })],
  ["with somebody else's name", ({ read }) => ({ ...read, headers: withHeaders(read, { authorization: (read.headers["authorization"] ?? "").replace(/Credential=[^/]*/, "Credential=nobody") }) })],
  ["with another host", ({ read }) => ({ ...read, headers: withHeaders(read, { host: "else.example.org" }) })],
];

for (const { reason, name, start, lock } of [
  { reason: noVersitygw, name: "versitygw with locks", start: startVersitygw, lock: true },
  { reason: noCeph, name: "Ceph without locks", start: startCeph, lock: false },
]) {
  describeUnless(reason, `whoever has taken over an agent that writes to ${name} cannot`, () => {
    let server: S3Server;
    let admin: S3Client;
    let ground: PresignedGround;
    let elsewhere: PresignedGround;
    let loot: Loot;
    let before: unknown;
    const count = { tried: 0, refused: 0 };

    beforeAll(async () => {
      server = await start();
      admin = adminOf(server);
      [ground, elsewhere] = [await presignedGround(server, { lock }), await presignedGround(server, { lock })];
      const { truth } = ground;
      await elsewhere.truth.put(STORED_KEY, [OTHER], promiseOf(OTHER));
      await truth.put(OTHER_KEY, [OTHER], promiseOf(OTHER));
      const [granted, stored] = [{ key: KEY, ...promiseOf(BODY) }, { key: STORED_KEY, ...promiseOf(STORED) }];
      const ago = Date.now() - 2_000;
      const used = (await offeredPut(truth, stored)).request!.transfer;
      expect(await sendSigned({ ...used, body: STORED })).toMatchObject({ status: 200 });
      const [fresh, late] = [(await offeredPut(truth, granted)).request!, (await offeredPut(truth, granted, ago)).request!];
      loot = {
        write: fresh.transfer,
        confirm: fresh.confirm!,
        used,
        read: (await offeredGet(truth, stored)).request!.transfer,
        lateWrite: late.transfer,
        lateConfirm: late.confirm!,
        lateRead: (await offeredGet(truth, stored, ago)).request!.transfer,
        otherBucket: elsewhere.bucket,
      };
      before = await everything();
    });
    afterAll(async () => {
      admin.destroy();
      await server.stop();
      console.log(`${name}: ${String(count.tried)} tried, ${count.refused === count.tried ? "all" : String(count.refused)} refused`);
    });

    /** Every version of every object with its lock, in both buckets. */
    async function everything(): Promise<unknown[]> {
      const found: unknown[] = [];
      for (const Bucket of [ground.bucket, elsewhere.bucket]) {
        const { Versions = [], DeleteMarkers = [] } = await admin.send(new ListObjectVersionsCommand({ Bucket }));
        found.push(Bucket, DeleteMarkers);
        for (const { Key, VersionId, ETag, Size } of Versions) {
          const head: HeadObjectCommandOutput = await admin.send(new HeadObjectCommand({ Bucket, Key, ...(lock ? { VersionId } : {}) }));
          found.push([Key, VersionId, ETag, Size, head.ObjectLockMode, head.ObjectLockRetainUntilDate?.getTime(), head.Metadata, head.ContentType]);
        }
      }
      return found;
    }

    /** The store says no, tells nothing that is stored, and everything is as it was. */
    async function expectRefused(request: SentRequest): Promise<void> {
      count.tried += 1;
      const { status, body } = await sendSigned(request);
      expect(status, body.toString()).toBeGreaterThanOrEqual(400);
      // 501 is a no too: to what the store does not know.
      expect(status === 501 ? 400 : status, body.toString()).toBeLessThan(500);
      for (const secret of [STORED, OTHER]) expect(body.includes(secret)).toBe(false);
      expect(await everything()).toEqual(before);
      count.refused += 1;
    }

    it.each(KEYS)("write to %s", (_what, make) => expectRefused(make(loot)));
    it.each(OPERATIONS)("%s", (_what, make) => expectRefused(make(loot)));
    it.each(BYTES)("write %s", (_what, make) => expectRefused(make(loot)));
    it.each(CONDITIONS)("write %s", (_what, make) => expectRefused(make(loot)));
    it.each(TIMES)("%s", (_what, make) => expectRefused(make(loot)));
    it.each(READS)("read %s", (_what, make) => expectRefused(make(loot)));
    if (lock) it.each(LOCKS)("write %s", (_what, make) => expectRefused(make(loot)));

    // It takes `x-amz-` headers that nobody signed (docs/security.md): all that they can do is the new object's own.
    if (!lock) {
      it.each([["x-amz-acl", "public-read"], ["x-amz-tagging", "a=b"]])("change what was there, or what was granted, by adding %s", async (header, value) => {
        const key = `i/backups/new/${header}`;
        const { transfer } = (await offeredPut(ground.truth, { key, ...promiseOf(BODY) })).request!;
        expect(await sendSigned({ ...transfer, body: BODY, headers: withHeaders(transfer, { [header]: value }) })).toMatchObject({ status: 200 });
        expect(Buffer.concat(await (await ground.truth.get(key)).toArray())).toEqual(BODY);
        await ground.truth.delete([key]);
        expect(await everything()).toEqual(before);
      });
    }

    // Otherwise all of the above might be refused for a reason that has nothing to do with it.
    describe("but what was granted", () => {
      it("is done: the write once, the question, and the read", async () => {
        expect(await sendSigned(loot.confirm)).toMatchObject({ status: 404 });
        expect(await sendSigned(write(loot))).toMatchObject({ status: 200 });
        expect(await sendSigned(loot.confirm)).toMatchObject({ status: 200 });
        expect(await sendSigned(loot.read)).toEqual({ status: 200, body: STORED });
        expect(await sendSigned(write(loot))).toMatchObject({ status: 412 });
        expect(await ground.truth.stat(KEY)).toEqual({ key: KEY, sizeBytes: BODY.byteLength });
      });
    });
  });
}
