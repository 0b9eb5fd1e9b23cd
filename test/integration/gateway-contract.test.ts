import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { delay } from "../../src/lib/clock.ts";
import { generateSigningKey, type Signer, signerFrom } from "../../src/lib/signing.ts";
import { REPOSITORY_MARK_KEY } from "../../src/model/manifest.ts";
import { localStorage } from "../../src/storage/local.ts";
import type { GateElsewhere } from "../../src/storage/gate.ts";
import { remoteGate } from "../../src/storage/remote-gate.ts";
import type { Storage, StoredObject } from "../../src/storage/storage.ts";
import { describeStorage } from "../contract/storage.ts";
import { type GatewayProcess, gatewayProcess, makeCertificate, markRepository } from "../fixtures/gateway.ts";
import { grantBy } from "../fixtures/grants.ts";
import { tempDir, type TempDir } from "../fixtures/temp.ts";

/** One for each test of the suite, and some to spare. */
const REPOSITORIES = 120;
const WAIT_MS = 60_000;

const signer = signerFrom(generateSigningKey());
const never = new AbortController().signal;
let dir: TempDir;
let gateway: GatewayProcess;
let gate: GateElsewhere;
let used = 0;

const pathOf = (name: string): string => join(dir.path, "repositories", name);

beforeAll(async () => {
  dir = await tempDir();
  const names = Array.from({ length: REPOSITORIES }, (_, number) => `r${String(number)}`);
  for (const name of names) await markRepository(pathOf(name), signer);
  const certificate = await makeCertificate(dir.path);
  gateway = await gatewayProcess({ dir: dir.path, fingerprint: signer.fingerprint, repositories: Object.fromEntries(names.map((name) => [name, pathOf(name)])), certificate });
  await gateway.start();
  gate = remoteGate({ url: gateway.url, ca: await readFile(certificate.caFile, "utf8") });
});

afterAll(async () => {
  gate.close();
  expect(await gateway.stop()).toBe(0);
  expect((await gateway.log()).filter(({ level }) => Number(level) >= 50)).toEqual([]);
  await dir.remove();
});

describeStorage("a directory behind a gateway, over HTTPS", async () => {
  const name = `r${String(used)}`;
  used += 1;
  return throughGateway(name, signer);
});

/** Objects go in and out through the gateway; what a gateway does for nobody is done to the directory itself. */
function throughGateway(name: string, by: Signer): Storage {
  const local = localStorage.open({ path: pathOf(name) });
  const nothing = Buffer.alloc(0);
  const leftovers = (options: { olderThanMs: number; remove: boolean }): Promise<string[]> => local.leftovers(options);
  return {
    async put(key, body, { sizeBytes, sha256, signal = never }): Promise<StoredObject> {
      await gate.put(grantBy(by, nothing, { repository: name, key, sizeBytes, sha256 }), body, signal);
      return { key, sizeBytes };
    },
    get: async (key, { range, signal = never } = {}) => gate.get(grantBy(by, nothing, { repository: name, key, operation: "get" }), range, signal),
    stat: (key) => local.stat(key),
    async *list(prefix) {
      for await (const object of local.list(prefix)) if (object.key !== REPOSITORY_MARK_KEY) yield object;
    },
    delete: (keys) => local.delete(keys),
    // A sender that went away is noticed by the other process, a moment later.
    leftovers: async (options) => {
      for (let waitedMs = 0; waitedMs < WAIT_MS; waitedMs += 20) {
        if ((await leftovers(options)).length === 0) return [];
        await delay(20);
      }
      return leftovers(options);
    },
    describe: () => local.describe(),
  };
}
