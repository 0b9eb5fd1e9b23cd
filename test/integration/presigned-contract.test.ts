import { afterAll, beforeAll } from "vitest";
import type { Storage } from "../../src/storage/storage.ts";
import { describeStorage } from "../contract/storage.ts";
import { offeredGet, offeredPut, type PresignedGround, presignedGround } from "../fixtures/presigned.ts";
import type { S3Server } from "../fixtures/s3-server.ts";
import { noVersitygw, startVersitygw } from "../fixtures/s3-versitygw.ts";
import { describeUnless } from "../skip.ts";

const never = new AbortController().signal;

/** Objects go in and out with signed requests; what no agent does is done with the server's credentials. */
function bySignedRequests({ truth, gate }: PresignedGround): Storage {
  return {
    ...truth,
    async put(key, body, { sizeBytes, sha256, signal = never }) {
      await gate.put(await offeredPut(truth, { key, sizeBytes, sha256 }), body, signal);
      return { key, sizeBytes };
    },
    async get(key, { range, signal = never } = {}) {
      const sizeBytes = (await truth.stat(key))?.sizeBytes ?? 0;
      return gate.get(await offeredGet(truth, { key, sizeBytes }), range, signal);
    },
  };
}

describeUnless(noVersitygw, "signed requests to versitygw", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startVersitygw();
  });
  afterAll(() => server.stop());

  describeStorage("a bucket with versions, below a prefix", async () => bySignedRequests(await presignedGround(server, { prefix: "deep/re+po é" })));
});
