import { readFile } from "node:fs/promises";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { provenBody } from "../src/lib/proven-body.ts";
import type { SignedGrant } from "../src/model/grant.ts";
import { openStorage } from "../src/storage/index.ts";
import { remoteGate } from "../src/storage/remote-gate.ts";
import { adminOf, type S3Server } from "../test/fixtures/s3-server.ts";

/*
 * Stores finished ciphertext in a process of its own, so that its memory is its own. Argument: a JSON file with an
 * UploadSpec. The last line it prints is the result. Two objects go at once, whoever sends them.
 */

export interface Ciphertext {
  readonly path: string;
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** How the objects go: the SDK's own put, Holdfast's driver, or a gateway with a grant for each object. */
export type UploadWay =
  | { readonly kind: "sdk"; readonly server: Omit<S3Server, "stop">; readonly bucket: string }
  | { readonly kind: "driver"; readonly options: Readonly<Record<string, unknown>> }
  | { readonly kind: "gateway"; readonly url: string; readonly grants: Readonly<Record<string, SignedGrant>> };

export interface UploadSpec {
  readonly way: UploadWay;
  readonly objects: readonly Ciphertext[];
}

export interface Uploaded {
  readonly wallS: number;
  readonly peakRssBytes: number;
}

const AT_ONCE = 2;
const PIECE_BYTES = 4 * 1024 ** 2;

interface Sender {
  put(object: Ciphertext, body: Buffer): Promise<unknown>;
  /** Lets go of connections, so that the process ends. */
  close?(): void;
}

function senderOf(way: UploadWay): Sender {
  const { signal } = new AbortController();
  switch (way.kind) {
    case "sdk": {
      const client = adminOf({ ...way.server, stop: () => Promise.resolve() });
      return { put: ({ key }, Body) => client.send(new PutObjectCommand({ Bucket: way.bucket, Key: key, Body })), close: () => client.destroy() };
    }
    case "driver": {
      const storage = openStorage("s3", way.options);
      return { put: ({ key, sizeBytes, sha256 }, body) => storage.put(key, packOf(body, sha256), { sizeBytes, sha256, signal }) };
    }
    case "gateway": {
      const gate = remoteGate({ url: way.url });
      return { put: ({ key, sha256 }, body) => gate.put(grantFor(way.grants, key), packOf(body, sha256), signal), close: () => gate.close() };
    }
  }
}

/** A pack comes in pieces of a few MiB, and was hashed while it was sealed. */
function packOf(body: Buffer, sha256: string): Uint8Array[] {
  const pieces = Array.from({ length: Math.ceil(body.byteLength / PIECE_BYTES) }, (_, piece) => body.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES));
  return provenBody(pieces, sha256);
}

function grantFor(grants: Readonly<Record<string, SignedGrant>>, key: string): SignedGrant {
  const grant = grants[key];
  if (grant === undefined) throw new Error(`no grant for ${key}`);
  return grant;
}

async function upload(objects: Ciphertext[], sender: Sender): Promise<void> {
  for (let object = objects.shift(); object !== undefined; object = objects.shift()) await sender.put(object, await readFile(object.path));
}

const { way, objects } = JSON.parse(await readFile(process.argv[2] ?? "", "utf8")) as UploadSpec;
const sender = senderOf(way);
const left = [...objects];
const startMs = performance.now();
await Promise.all(Array.from({ length: AT_ONCE }, () => upload(left, sender)));
sender.close?.();
const result: Uploaded = { wallS: (performance.now() - startMs) / 1_000, peakRssBytes: process.resourceUsage().maxRSS * 1024 };
process.stdout.write(`${JSON.stringify(result)}\n`);
