import { HeadObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startRestoredShop } from "../../src/demo/holdfast.ts";
import { compareRows, Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop, readShop } from "../../src/demo/shop.ts";
import { api } from "../../src/model/api/index.ts";
import { type AgentHome, type Fleet, type Running, startFleet } from "../fixtures/fleet.ts";
import { adminOf, makeBucket, type S3Server } from "../fixtures/s3-server.ts";
import { noVersitygw, startVersitygw } from "../fixtures/s3-versitygw.ts";
import { tempDir, type TempDir } from "../fixtures/temp.ts";
import { describeUnless } from "../skip.ts";

describeUnless(noVersitygw, "an agent that writes to a locked bucket with requests that the server signs", () => {
  const ledger = new Ledger();
  let s3: S3Server;
  let bucket: string;
  let secrets: TempDir;
  let fleet: Fleet;
  let home: AgentHome;
  let agent: Running;

  beforeAll(async () => {
    s3 = await startVersitygw();
    bucket = await makeBucket(s3, { lock: true });
    secrets = await tempDir();
    const secretPath = join(secrets.path, "s3.secret");
    await writeFile(secretPath, `${s3.secretAccessKey}\n`, { mode: 0o600 });
    const options = `endpoint: ${s3.endpoint}, bucket: ${bucket}, accessKeyId: ${s3.accessKeyId}, secretAccessKeyFile: ${secretPath}, lock: { mode: compliance, uncommittedLock: 2h, committedLock: 7d }`;
    fleet = await startFleet({ repository: `{ kind: s3, options: { ${options} } }` });
    await fleet.startServer();
    home = await fleet.join("db1", (yaml) => yaml.replace(/main: \{.*/, "main: { kind: presigned, options: {} }"));
    agent = await fleet.startAgent(home);
  });
  afterAll(async () => {
    await fleet.stop();
    await s3.stop();
    await secrets.remove();
  });

  it("stores a full, an incremental and the log, restores them to the last transaction, and proves the backup", async () => {
    const connection = await fleet.world.connect();
    await createShop(connection);
    await fillShop(connection, ledger, { firstId: 1, count: 1_000 });
    await fleet.holdfast.backUp("full");
    await fillShop(connection, ledger, { firstId: 10_000, count: 200 });
    const { backupId } = await fleet.holdfast.backUp("incremental");
    await fillShop(connection, ledger, { firstId: 20_000, count: 200 });
    await connection.query("FLUSH BINARY LOGS");
    await fleet.holdfast.waitUntilShipped(await fleet.world.logPosition());
    const last = ledger.entries().at(-1)!;
    const { targetPath } = await fleet.holdfast.restore({ kind: "gtid", gtid: last.gtid }, join(fleet.world.rootDir, "restores", "r1"));
    const shop = await startRestoredShop(fleet.world, targetPath);
    try {
      const comparison = compareRows(ledger.stateAt(last.gtid), await readShop(shop.connection));
      expect(comparison.differences).toEqual([]);
      expect(comparison.comparedRows).toBeGreaterThanOrEqual(1_400);
    } finally {
      await shop.stop();
    }
    expect(await fleet.holdfast.verify(backupId)).toMatchObject({ status: "passed", tier: "T4" });
  });

  it("has had no credentials, and every object of its backups is locked", async () => {
    // It still clears away where it verified.
    await agent.kill("SIGTERM");
    const files = await readdir(home.stateDir, { recursive: true, withFileTypes: true });
    const texts = await Promise.all(files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), "latin1")));
    const known = [await readFile(home.configPath, "utf8"), ...texts].join("\n");
    expect(known).toContain("kind: presigned");
    for (const secret of [s3.accessKeyId, s3.secretAccessKey, "AWS4-HMAC-SHA256"]) expect(known).not.toContain(secret);
    const admin = adminOf(s3);
    const { Contents: stored = [] } = await admin.send(new ListObjectsV2Command({ Bucket: bucket }));
    const { backups } = await fleet.client.call(api.backups.list, { limit: 100 });
    expect(backups).toHaveLength(2);
    for (const { backupId } of backups) {
      const { manifest } = await fleet.client.call(api.backups.show, { backupId });
      const own = stored.filter(({ Key }) => Key!.includes(`/backups/${backupId}/`));
      expect(own).toHaveLength(manifest.packs.length + 2);
      for (const { Key } of own) {
        const found = await admin.send(new HeadObjectCommand({ Bucket: bucket, Key }));
        expect(found).toMatchObject({ ObjectLockMode: "COMPLIANCE" });
        expect(found.ObjectLockRetainUntilDate!.getTime()).toBeGreaterThan(Date.parse(manifest.endedAt) + 6 * 86_400_000);
      }
    }
    admin.destroy();
  });
});
