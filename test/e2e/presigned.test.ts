import { HeadObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Ledger } from "../../src/demo/ledger.ts";
import type { RunningProgram } from "../../src/demo/start-program.ts";
import { api } from "../../src/model/api/index.ts";
import { type AgentHome, type Fleet, startFleet } from "../fixtures/fleet.ts";
import { expectProven, protectShop } from "../fixtures/protected-shop.ts";
import { adminOf, makeBucket, type S3Server } from "../fixtures/s3-server.ts";
import { noVersitygw, startVersitygw } from "../fixtures/s3-versitygw.ts";
import { tempDir, type TempDir } from "../fixtures/temp.ts";
import { describeUnless } from "../skip.ts";

describeUnless(noVersitygw, "an agent that writes to a locked bucket with requests that the server signs", () => {
  let s3: S3Server;
  let bucket: string;
  let secrets: TempDir;
  let fleet: Fleet;
  let home: AgentHome;
  let agent: RunningProgram;

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
    const place = { ...fleet, ledger: new Ledger() };
    await protectShop(place);
    await expectProven(place, "restores/r1");
  });

  it("has had no credentials, and every object of its backups is locked", async () => {
    // It still clears away where it verified.
    await agent.stop();
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
