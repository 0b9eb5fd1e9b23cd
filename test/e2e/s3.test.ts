import { DeleteObjectCommand, GetObjectLegalHoldCommand, ListObjectVersionsCommand, PutObjectRetentionCommand, type S3Client } from "@aws-sdk/client-s3";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Ledger } from "../../src/demo/ledger.ts";
import { api } from "../../src/model/api/index.ts";
import { expectProven, expectRestored, protectShop, type ShopPlace } from "../fixtures/protected-shop.ts";
import { noCeph, startCeph } from "../fixtures/s3-ceph.ts";
import { adminOf, makeBucket, type S3Server } from "../fixtures/s3-server.ts";
import { noVersitygw, startVersitygw } from "../fixtures/s3-versitygw.ts";
import { tempDir, type TempDir } from "../fixtures/temp.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";
import { describeUnless } from "../skip.ts";

interface Ground extends ShopPlace {
  readonly server: S3Server;
  readonly bucket: string;
  stop(): Promise<void>;
}

async function openGround(start: () => Promise<S3Server>, lock?: string): Promise<Ground> {
  const server = await start();
  const secrets: TempDir = await tempDir();
  const bucket = await makeBucket(server, { lock: lock !== undefined });
  const secretPath = join(secrets.path, "s3.secret");
  await writeFile(secretPath, `${server.secretAccessKey}\n`, { mode: 0o600 });
  const options = `endpoint: ${server.endpoint}, bucket: ${bucket}, prefix: site/one, accessKeyId: ${server.accessKeyId}, secretAccessKeyFile: ${secretPath}`;
  const world = await startWorld({ repository: `{ kind: s3, options: { ${options}${lock === undefined ? "" : `, lock: ${lock}`} } }` });
  const stop = async (): Promise<void> => {
    await world.stop();
    await server.stop();
    await secrets.remove();
  };
  return { server, bucket, world, holdfast: world.holdfast, ledger: new Ledger(), stop };
}

async function repositoryDiagnosis(world: HoldfastWorld): Promise<{ status: string; message: string }[]> {
  const { diagnoses } = await world.client.call(api.system.doctor, {});
  return diagnoses.filter(({ subject }) => subject === "repository main").map(({ status, message }) => ({ status, message }));
}

interface LockedVersion {
  readonly Key: string;
  readonly VersionId: string;
}

async function allVersions(admin: S3Client, bucket: string): Promise<LockedVersion[]> {
  const versions: LockedVersion[] = [];
  let marker: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {};
  for (;;) {
    const page = await admin.send(new ListObjectVersionsCommand({ Bucket: bucket, ...marker }));
    versions.push(...(page.Versions ?? []).map(({ Key, VersionId }) => ({ Key: Key!, VersionId: VersionId! })));
    if (page.IsTruncated !== true) return versions;
    marker = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker };
  }
}

describeUnless(noVersitygw, "a MariaDB backed up to a bucket with a compliance lock", () => {
  let ground: Ground;
  beforeAll(async () => {
    ground = await openGround(startVersitygw, "{ mode: compliance, uncommittedLock: 2h, committedLock: 7d }");
    await protectShop(ground);
  });
  afterAll(() => ground.stop());

  it("is restored to the last transaction, and proven by a verification to its end", () => expectProven(ground, "r1"));

  it("has every object of its backups locked for the committed period", async () => {
    const admin = adminOf(ground.server);
    const { backups } = await ground.world.client.call(api.backups.list, { limit: 100 });
    expect(backups).toHaveLength(2);
    const versions = await allVersions(admin, ground.bucket);
    for (const { backupId } of backups) {
      const { manifest } = await ground.world.client.call(api.backups.show, { backupId });
      const own = versions.filter(({ Key }) => Key.includes(`/backups/${backupId}/`));
      expect(own).toHaveLength(manifest.packs.length + 2);
      // Shorter than what is there: refused. Were it locked for the uncommitted hours alone, this would make it longer.
      const shorter = new Date(Date.parse(manifest.endedAt) + 6 * 86_400_000);
      for (const version of own) {
        const Retention = { Mode: "COMPLIANCE" as const, RetainUntilDate: shorter };
        await expect(admin.send(new PutObjectRetentionCommand({ Bucket: ground.bucket, ...version, Retention, BypassGovernanceRetention: true }))).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
      }
    }
    admin.destroy();
  });

  it("is under the store's legal hold, with all that it builds on, as long as somebody holds it", async () => {
    const admin = adminOf(ground.server);
    const { backupId, parentId } = (await ground.world.holdfast.newestBackup())!;
    const own = (await allVersions(admin, ground.bucket)).filter(({ Key }) => [backupId, parentId].some((id) => Key.includes(`/backups/${String(id)}/`)));
    const states = async (): Promise<Set<string | undefined>> => {
      const answers = await Promise.all(own.map((version) => admin.send(new GetObjectLegalHoldCommand({ Bucket: ground.bucket, ...version })).then(({ LegalHold }) => LegalHold?.Status, () => "OFF")));
      return new Set(answers);
    };
    await ground.world.client.call(api.backups.hold, { backupId, reason: "court", by: "ann" });
    expect(await states()).toEqual(new Set(["ON"]));
    await ground.world.client.call(api.backups.release, { backupId, by: "bob" });
    expect(await states()).toEqual(new Set(["OFF"]));
    admin.destroy();
  });

  it("outlives somebody with all the rights that there are, who deletes whatever can be deleted", async () => {
    const admin = adminOf(ground.server);
    const versions = await allVersions(admin, ground.bucket);
    const gone: string[] = [];
    for (const version of versions) {
      const request = new DeleteObjectCommand({ Bucket: ground.bucket, ...version, BypassGovernanceRetention: true });
      await admin.send(request).then(() => gone.push(version.Key), () => undefined);
    }
    // What tries whether the store writes once holds nothing, and is not locked.
    expect(gone).toEqual(["site/one/.tmp/write-once"]);
    admin.destroy();
    await expectRestored(ground, "r2");
  });

  it("is described by doctor as what was tried", async () => {
    const [tried, counted] = await repositoryDiagnosis(ground.world);
    expect(tried).toMatchObject({ status: "ok", message: expect.stringMatching(/S3 bucket .*overwrite a locked object, and to delete it, shorten its lock.*all refused/) as string });
    expect(counted).toMatchObject({ status: "ok", message: "Catalog and repository agree on 2 backups." });
  });
});

describeUnless(noCeph, "a MariaDB backed up to Ceph, without locks", () => {
  let ground: Ground;
  beforeAll(async () => {
    ground = await openGround(startCeph);
    await protectShop(ground);
  });
  afterAll(() => ground.stop());

  it("is restored to the last transaction, and proven by a verification to its end", () => expectProven(ground, "r1"));

  it("is described by doctor as open to whoever has the credentials", async () => {
    const [tried] = await repositoryDiagnosis(ground.world);
    expect(tried).toMatchObject({ status: "ok", message: expect.stringMatching(/cleaned, and nothing in it can be overwritten\. It has no locks: whoever gets these credentials/) as string });
  });
});
