import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../src/demo/free-port.ts";
import { Ledger } from "../../src/demo/ledger.ts";
import { api } from "../../src/model/api/index.ts";
import { type GatewayProcess, gatewayProcess, makeCertificate } from "../fixtures/gateway.ts";
import { until } from "../fixtures/log-collector.ts";
import { expectProven, protectShop } from "../fixtures/protected-shop.ts";
import { tempDir, type TempDir } from "../fixtures/temp.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

let dir: TempDir;
let world: HoldfastWorld;
let gateway: GatewayProcess;

beforeAll(async () => {
  dir = await tempDir();
  const [certificate, port] = [await makeCertificate(dir.path), await freePort()];
  world = await startWorld({ agent: `{ gateway: { url: "https://127.0.0.1:${String(port)}", caFile: ${certificate.caFile} } }` });
  const { signingKeyFingerprint: fingerprint } = await world.client.call(api.system.status, {});
  gateway = await gatewayProcess({ dir: dir.path, fingerprint, repositories: { main: world.repositoryPath }, certificate, port });
  await gateway.start();
});

afterAll(async () => {
  await world.stop();
  await gateway.stop();
  await dir.remove();
});

/** Keys that the gateway's log names with these words. */
async function keysLogged(message: string): Promise<Set<string>> {
  return new Set((await gateway.log()).filter(({ msg }) => msg === message).map(({ key }) => String(key)));
}

/** What agents write: packs, indexes and pieces of log. The server writes the rest. */
async function dataKeys(): Promise<string[]> {
  const names = await readdir(world.repositoryPath, { recursive: true });
  return names.filter((name) => name.endsWith(".age") && !name.startsWith("_control"));
}

describe("a MariaDB whose agent reaches its repository through a gateway", () => {
  it("is backed up, restored to the last transaction and proven by a verification to its end", async () => {
    const place = { world, holdfast: world.holdfast, ledger: new Ledger() };
    await protectShop(place);
    await expectProven(place, "restored");
  });

  it("has had every byte of its backups and its log go in and out there", async () => {
    const keys = await dataKeys();
    expect(keys.length).toBeGreaterThanOrEqual(5);
    // An object has its name a moment before the gateway says so.
    const notSaid = async (): Promise<string[]> => {
      const stored = await keysLogged("stored");
      return keys.filter((key) => !stored.has(key));
    };
    await expect.poll(notSaid).toEqual([]);
    const read = await keysLogged("read");
    const packs = keys.filter((key) => /\/backups\/.*\/\d{6}\.zst\.age$/.test(key));
    expect(packs.filter((key) => !read.has(key))).toEqual([]);
  });

  it("goes on with a backup that met a gateway that was killed, once it runs again", async () => {
    await gateway.kill9();
    const taking = world.holdfast.backUp("full");
    const isWaiting = async (): Promise<boolean> => (await readFile(join(world.rootDir, "state", "holdfast.log"), "utf8")).split("\n").some((line) => line.includes("store 000000.zst.age") && line.includes("will try again"));
    await until("the agent waits for the gateway", isWaiting);
    await gateway.start();
    const { backupId } = await taking;
    expect(await world.holdfast.verify(backupId)).toMatchObject({ status: "passed" });
  });
});
