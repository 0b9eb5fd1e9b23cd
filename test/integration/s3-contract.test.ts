import { afterAll, beforeAll } from "vitest";
import { openStorage } from "../../src/storage/index.ts";
import { describeStorage } from "../contract/storage.ts";
import { noCeph, startCeph } from "../fixtures/s3-ceph.ts";
import { makeBucket, optionsFor, type S3Server } from "../fixtures/s3-server.ts";
import { noVersitygw, startVersitygw } from "../fixtures/s3-versitygw.ts";
import { describeUnless } from "../skip.ts";

describeUnless(noVersitygw, "the s3 driver on versitygw", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startVersitygw();
  });
  afterAll(() => server.stop());

  describeStorage("a bucket", async () => openStorage("s3", optionsFor(server, await makeBucket(server))));
  describeStorage("a bucket with versions, below a prefix", async () => openStorage("s3", optionsFor(server, await makeBucket(server, { lock: true }), { prefix: "deep/re+po é" })));
});

describeUnless(noCeph, "the s3 driver on Ceph", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startCeph();
  });
  afterAll(() => server.stop());

  describeStorage("a bucket", async () => openStorage("s3", optionsFor(server, await makeBucket(server))));
});
