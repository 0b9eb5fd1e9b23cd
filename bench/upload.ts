import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateSigningKey, type Signer, signerFrom } from "../src/lib/signing.ts";
import { GRANT_KIND, type SignedGrant } from "../src/model/grant.ts";
import { REPOSITORY_MARK_KEY } from "../src/model/manifest.ts";
import { openStorage } from "../src/storage/index.ts";
import { type GatewayProcess, gatewayProcess, repositoryMark } from "../test/fixtures/gateway.ts";
import { grantTerms } from "../test/fixtures/grants.ts";
import { promiseOf } from "../test/fixtures/promise-of.ts";
import { makeBucket, optionsFor, type S3Server } from "../test/fixtures/s3-server.ts";
import { noVersitygw, startVersitygw } from "../test/fixtures/s3-versitygw.ts";
import { runAsInstalled, settle, timeShell } from "./measure.ts";
import { hasProgram } from "./peers.ts";
import { spread } from "./statistics.ts";
import type { Ciphertext, Uploaded, UploadSpec, UploadWay } from "./upload-job.ts";

const BAR = 0.9;
const MIB = 1024 ** 2;
/** Of a pack. */
const OBJECT_BYTES = 16 * MIB;
const VALID_MS = 24 * 3_600_000;
const JOB = join(import.meta.dirname, "upload-job.ts");

interface Ground {
  readonly dir: string;
  readonly server: S3Server;
  readonly signer: Signer;
  readonly gateway: GatewayProcess;
  readonly gatewayBucket: string;
}

type Side = (ground: Ground, round: number, objects: readonly Ciphertext[]) => Promise<Uploaded>;

/** What Holdfast is measured against: at least one of them is always there. */
const PEERS: Readonly<Record<string, Side>> = { "aws-sdk put": sdkPut, "rclone rcat": rcloneRcat };
const OURS: Readonly<Record<string, Side>> = { "S3 driver": driverPut, "gateway before the same server": gatewayPut };

/** The same ciphertext to the same S3 server, by turns: the SDK's put, `rclone rcat` if it is on PATH, the driver and a gateway. */
export async function compareUploads(dir: string, { sizeBytes, rounds }: { sizeBytes: number; rounds: number }): Promise<string[]> {
  if (noVersitygw !== undefined) return [`uploads: not measured, ${noVersitygw}`];
  const objects = await makeCiphertext(join(dir, "ciphertext"), sizeBytes);
  const server = await startVersitygw();
  try {
    const ground = await openGround(dir, server);
    try {
      return await compare(ground, objects, rounds);
    } finally {
      await ground.gateway.stop();
    }
  } finally {
    await server.stop();
  }
}

async function makeCiphertext(dir: string, sizeBytes: number): Promise<Ciphertext[]> {
  await mkdir(dir);
  const objects: Ciphertext[] = [];
  for (let number = 0; number * OBJECT_BYTES < sizeBytes; number += 1) {
    const body = randomBytes(OBJECT_BYTES);
    const path = join(dir, String(number));
    await writeFile(path, body);
    objects.push({ path, key: `i/backups/b/${String(number).padStart(6, "0")}.zst.age`, ...promiseOf(body) });
  }
  return objects;
}

async function openGround(dir: string, server: S3Server): Promise<Ground> {
  const signer = signerFrom(generateSigningKey());
  const gatewayBucket = await makeBucket(server);
  const options = optionsFor(server, gatewayBucket);
  const mark = Buffer.from(repositoryMark(signer));
  await openStorage("s3", options).put(REPOSITORY_MARK_KEY, [mark], promiseOf(mark));
  const gateway = await gatewayProcess({ dir, fingerprint: signer.fingerprint, repositories: { main: { kind: "s3", options } } });
  await gateway.start();
  return { dir, server, signer, gateway, gatewayBucket };
}

async function compare(ground: Ground, objects: readonly Ciphertext[], rounds: number): Promise<string[]> {
  const peers = Object.entries(PEERS).filter(([name]) => name !== "rclone rcat" || hasProgram("rclone"));
  const runs = new Map<string, Uploaded[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, side] of [...peers, ...Object.entries(OURS)]) {
      await settle(ground.dir);
      runs.set(name, [...(runs.get(name) ?? []), await side(ground, round, objects)]);
    }
  }
  const sizeMiB = objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / MIB;
  return [...runs.keys()].flatMap((name) => [wallLine(name, runs, sizeMiB), ...(name in OURS ? peers.map(([peer]) => ratioLine(name, peer, runs)) : [])]);
}

function wallLine(name: string, runs: ReadonlyMap<string, readonly Uploaded[]>, sizeMiB: number): string {
  const wall = spread((runs.get(name) ?? []).map(({ wallS }) => wallS));
  const peak = Math.max(...(runs.get(name) ?? []).map(({ peakRssBytes }) => peakRssBytes));
  return `upload by ${name}: ${(sizeMiB / wall.median).toFixed(0)} MiB/s (${wall.low.toFixed(2)}-${wall.high.toFixed(2)} s)${peak > 0 ? `, peak ${(peak / MIB).toFixed(0)} MiB` : ""}`;
}

function ratioLine(name: string, peer: string, runs: ReadonlyMap<string, readonly Uploaded[]>): string {
  const [own, others] = [runs.get(name) ?? [], runs.get(peer) ?? []];
  const ratio = spread(own.map(({ wallS }, round) => (others[round]?.wallS ?? Number.NaN) / wallS));
  return `  ${ratio.median.toFixed(2)}x of ${peer} (median of ${String(own.length)} rounds, quartiles ${ratio.low.toFixed(2)}-${ratio.high.toFixed(2)}), bar ${BAR.toFixed(2)}: ${ratio.median >= BAR ? "met" : "missed"}`;
}

async function run(ground: Ground, way: UploadWay, objects: readonly Ciphertext[]): Promise<Uploaded> {
  const specPath = join(ground.dir, "upload.json");
  await writeFile(specPath, JSON.stringify({ way, objects } satisfies UploadSpec), { mode: 0o600 });
  return JSON.parse(await runAsInstalled(JOB, [specPath])) as Uploaded;
}

async function sdkPut(ground: Ground, _round: number, objects: readonly Ciphertext[]): Promise<Uploaded> {
  const { name, endpoint, port, accessKeyId, secretAccessKey } = ground.server;
  return run(ground, { kind: "sdk", server: { name, endpoint, port, accessKeyId, secretAccessKey }, bucket: await makeBucket(ground.server) }, objects);
}

async function driverPut(ground: Ground, _round: number, objects: readonly Ciphertext[]): Promise<Uploaded> {
  return run(ground, { kind: "driver", options: optionsFor(ground.server, await makeBucket(ground.server)) }, objects);
}

async function gatewayPut(ground: Ground, round: number, objects: readonly Ciphertext[]): Promise<Uploaded> {
  const { signer, gateway } = ground;
  const fresh = objects.map((object) => ({ ...object, key: object.key.replace("/b/", `/b${String(round)}/`) }));
  const expiresAt = new Date(Date.now() + VALID_MS).toISOString();
  const grants = Object.fromEntries(fresh.map(({ key, sizeBytes, sha256 }): [string, SignedGrant] => [key, signer.sign(GRANT_KIND, grantTerms(Buffer.of(), { key, sizeBytes, sha256, expiresAt }))]));
  return run(ground, { kind: "gateway", url: gateway.url, grants }, fresh);
}

/** The whole ciphertext as one object, as `backup | rclone rcat` stores it. Some versions refuse to start with a CA bundle in the environment. */
async function rcloneRcat({ server }: Ground, _round: number, objects: readonly Ciphertext[]): Promise<Uploaded> {
  const bucket = await makeBucket(server);
  const remote = `:s3,provider=Other,endpoint='${server.endpoint}',access_key_id=${server.accessKeyId},secret_access_key=${server.secretAccessKey}:${bucket}/stream`;
  const { wallS } = await timeShell(`cat ${objects.map(({ path }) => path).join(" ")} | env -u AWS_CA_BUNDLE rclone --config /dev/null rcat "${remote}"`);
  return { wallS, peakRssBytes: 0 };
}
