import { PutObjectCommand } from "@aws-sdk/client-s3";
import { Readable } from "node:stream";
import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import { isReadableAgain } from "../paced-body.ts";
import { lastOnceChecked, receivedBody } from "../received-body.ts";
import type { Body, PutOptions, StoredObject } from "../storage.ts";
import { SHA256_METADATA } from "./answer-headers.ts";
import { isPlainRefusal, isStatus, s3Error } from "./errors.ts";
import { headObject } from "./head.ts";
import { type S3Place, within } from "./place.ts";

/** The most that one request stores. Packs are far smaller, and only one request has one SHA-256. */
const PUT_LIMIT_BYTES = 5 * 1024 ** 3;

export interface NewObject {
  readonly key: string;
  readonly body: Body;
  readonly options: PutOptions;
}

/**
 * Stores an object with one request that is bound to its size and SHA-256 and to the condition that the key is free. A
 * request whose answer was lost is never guessed about: the store is asked what it has, and only the same size and hash
 * count as stored. A body that can be read again is sent again while that may help.
 */
export async function putObject(place: S3Place, object: NewObject): Promise<StoredObject> {
  const { key, body, options } = object;
  place.keyOf(key);
  options.signal?.throwIfAborted();
  requireOneRequest(place, { key, sizeBytes: options.sizeBytes });
  const sending = new Sending(place, object);
  await place.send(() => sending.once(), { signal: options.signal, isTriedOnce: !isReadableAgain(body) });
  if (sending.bodyFailure !== undefined) throw sending.bodyFailure.error;
  return { key, sizeBytes: options.sizeBytes };
}

/** Throws INPUT_INVALID for more than one request stores. */
export function requireOneRequest(place: S3Place, { key, sizeBytes }: StoredObject): void {
  if (sizeBytes > PUT_LIMIT_BYTES) throw new HoldfastError("INPUT_INVALID", `${key} has ${String(sizeBytes)} bytes; an object of the ${place.name} can have ${String(PUT_LIMIT_BYTES)}.`);
}

class Sending {
  readonly #place: S3Place;
  readonly #object: NewObject;
  /** Set once a request ended without the store saying that it did nothing. */
  #mayBeStored = false;
  /** The body's own failure; no other try helps against it. */
  bodyFailure: { readonly error: unknown } | undefined;

  constructor(place: S3Place, object: NewObject) {
    this.#place = place;
    this.#object = object;
  }

  /** Resolves when the object is stored or `bodyFailure` is set; throws otherwise. */
  async once(): Promise<void> {
    const { key, options } = this.#object;
    try {
      await this.#send();
    } catch (error) {
      if (this.bodyFailure !== undefined) return;
      options.signal?.throwIfAborted();
      const isTaken = isStatus(error, 412);
      if (isTaken && !this.#mayBeStored) throw this.#exists(error);
      if (!isPlainRefusal(error)) this.#mayBeStored = true;
      if (this.#mayBeStored && (await this.#isStored(error))) return;
      throw isTaken ? this.#exists(error) : s3Error(error, "stored", this.#place.nameOf(key));
    }
  }

  async #send(): Promise<void> {
    const { key, body, options } = this.#object;
    const ended = new AbortController();
    const signal = options.signal === undefined ? ended.signal : AbortSignal.any([options.signal, ended.signal]);
    const stream = Readable.from(lastOnceChecked(receivedBody(key, body, { ...options, signal })), { objectMode: false });
    stream.on("error", (error) => {
      if (ended.signal.aborted) return;
      this.bodyFailure = { error };
      ended.abort(error);
    });
    try {
      await this.#place.client.send(putCommand(this.#place, { key, ...options }, stream), within(signal));
    } finally {
      ended.abort(new Error("the request has ended"));
      stream.destroy();
    }
  }

  /** False when the key is free; OBJECT_EXISTS when something else is stored under it. */
  async #isStored(cause: unknown): Promise<boolean> {
    const { key, options } = this.#object;
    const found = await headObject(this.#place, key, { signal: options.signal }).catch((error: unknown) => {
      options.signal?.throwIfAborted();
      throw new HoldfastError("STORAGE_FAILED", `Whether ${this.#place.nameOf(key)} was stored is not known: the answer to the write was lost, and the store does not tell.`, { cause: isHoldfastError(error) ? error : cause });
    });
    if (found === null) return false;
    if (found.sizeBytes === options.sizeBytes && found.sha256 === options.sha256) return true;
    throw this.#exists(cause);
  }

  #exists(cause: unknown): HoldfastError {
    return new HoldfastError("OBJECT_EXISTS", `The object ${this.#place.nameOf(this.#object.key)} exists already and was left as it is.`, { cause });
  }
}

/** The one request that stores an object, with all that it is bound to. */
export function putCommand(place: S3Place, { key, sizeBytes, sha256 }: Pick<PutOptions, "sizeBytes" | "sha256"> & { key: string }, stream?: Readable): PutObjectCommand {
  const command = new PutObjectCommand({
    Bucket: place.bucket,
    Key: place.keyOf(key),
    ...(stream === undefined ? {} : { Body: stream }),
    ContentLength: sizeBytes,
    ContentType: "application/octet-stream",
    IfNoneMatch: "*",
    ChecksumSHA256: Buffer.from(sha256, "hex").toString("base64"),
    Metadata: { [SHA256_METADATA]: sha256 },
    ...(place.storageClass === undefined ? {} : { StorageClass: place.storageClass }),
    ...lockFrom(place),
  });
  // Stands in the signature, and every store compares it with what arrived; not every one does so with the checksum.
  command.middlewareStack.add(
    (next) => (args) => {
      (args.request as { headers: Record<string, string> }).headers["x-amz-content-sha256"] = sha256;
      return next(args);
    },
    { step: "build", name: "bindSha256" },
  );
  return command;
}

function lockFrom({ lock }: S3Place): { ObjectLockMode?: "COMPLIANCE" | "GOVERNANCE"; ObjectLockRetainUntilDate?: Date } {
  if (lock === undefined) return {};
  return { ObjectLockMode: lock.mode === "compliance" ? "COMPLIANCE" : "GOVERNANCE", ObjectLockRetainUntilDate: new Date(wholeSecond(Date.now() + lock.uncommittedLock)) };
}

/** Some stores keep whole seconds only: never a moment less than what was asked for. */
export function wholeSecond(epochMs: number): number {
  return Math.ceil(epochMs / 1_000) * 1_000;
}
