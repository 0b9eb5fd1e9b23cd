import { S3Client, type StorageClass } from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { checkKey } from "../keys.ts";
import { type RequestTerms, sendAgain, sendPlainly, type SendRequest } from "../requests.ts";
import { credentialsFrom } from "./credentials.ts";
import { s3Error } from "./errors.ts";
import { describePlace, type LockOptions, type S3Options } from "./options.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const SOCKETS = 64;

/** An opened bucket: how it is asked, and how its keys are called. */
export interface S3Place {
  readonly client: S3Client;
  readonly bucket: string;
  readonly lock: LockOptions | undefined;
  readonly storageClass: StorageClass | undefined;
  /** Every request goes through it. */
  readonly send: SendRequest;
  /** The key in the bucket; throws INPUT_INVALID unless it is one that every driver can store. */
  keyOf(key: string): string;
  /** What the keys of this repository begin with in the bucket. */
  readonly prefix: string;
  /** How messages call an object. */
  nameOf(key: string): string;
  readonly name: string;
}

const silent = (): void => undefined;
/** What the library has to say it also throws. */
const logger = { trace: silent, debug: silent, info: silent, warn: silent, error: silent };

/** Nothing is asked yet. */
export function s3Place(options: S3Options, send: SendRequest = sendAgain(sendPlainly)): S3Place {
  const prefix = options.prefix === undefined ? "" : `${options.prefix}/`;
  const name = describePlace(options);
  return {
    client: clientOf(options),
    bucket: options.bucket,
    lock: options.lock,
    // Stores other than Amazon's have classes of their own.
    storageClass: options.storageClass as StorageClass | undefined,
    send,
    keyOf: (key) => {
      checkKey(key);
      checkKey(`${prefix}${key}`);
      return `${prefix}${key}`;
    },
    prefix,
    nameOf: (key) => `${key} in the ${name}`,
    name,
  };
}

function clientOf(options: S3Options): S3Client {
  const isAmazon = options.endpoint === undefined || new URL(options.endpoint).hostname.endsWith(".amazonaws.com");
  const credentials = credentialsFrom(options);
  // Others than Amazon do not know, or refuse, the checksums that the library would add by itself.
  const checksums = isAmazon ? "WHEN_SUPPORTED" : "WHEN_REQUIRED";
  return new S3Client({
    region: options.region,
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: (options.style ?? (options.endpoint === undefined ? "virtual-host" : "path")) === "path",
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    // Other tries are ours, where it is known whether a body can be sent again and what a lost answer means.
    maxAttempts: 1,
    // A wrong clock also makes wrong locks: it is told, not corrected.
    disableClockSkewCorrection: true,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: options.idleTimeout,
      httpAgent: new HttpAgent({ keepAlive: true, maxSockets: SOCKETS }),
      httpsAgent: new HttpsAgent({ keepAlive: true, maxSockets: SOCKETS }),
      logger,
    }),
    logger,
  });
}

/** Asks, as often as it takes; errors are in the words of the one table. `action`: "stored". */
export function ask<T>(place: S3Place, about: { action: string; name: string } & RequestTerms, operation: () => Promise<T>): Promise<T> {
  return place.send(async () => {
    try {
      return await operation();
    } catch (error) {
      throw s3Error(error, about.action, about.name);
    }
  }, about);
}

/** The SDK takes no `undefined` for a signal. */
export function within(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}
