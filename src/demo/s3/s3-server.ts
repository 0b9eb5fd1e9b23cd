import { connect } from "node:net";
import { Agent } from "node:https";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import type { RunAs } from "../../lib/process.ts";

/** Where a real S3 server of a demo or test works. */
export interface S3Ground {
  /** Everything of it lies there; belongs to `runAs`. */
  readonly dir: string;
  /** A loopback port that nobody listens on. */
  readonly port: number;
  readonly runAs?: RunAs | undefined;
  /** Plain HTTP without it. */
  readonly certificate?: { readonly certificateFile: string; readonly keyFile: string } | undefined;
}

/** A real S3 server on a loopback port. */
export interface S3Server {
  readonly name: string;
  readonly endpoint: string;
  readonly port: number;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  stop(): Promise<void>;
}

export const endpointOf = ({ port, certificate }: S3Ground): string => `${certificate === undefined ? "http" : "https"}://127.0.0.1:${String(port)}`;

/** Makes a bucket; with `lock` it has versioning and Object Lock. */
export async function createBucket(client: S3Client, bucket: string, lock: boolean): Promise<void> {
  await client.send(new CreateBucketCommand({ Bucket: bucket, ...(lock ? { ObjectLockEnabledForBucket: true } : {}) }));
}

/** A client with the credentials of whoever may do everything there; `ca` vouches for the server's certificate. */
export function s3ClientOf({ endpoint, accessKeyId, secretAccessKey }: Pick<S3Server, "endpoint" | "accessKeyId" | "secretAccessKey">, ca?: string): S3Client {
  return new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    ...(ca === undefined ? {} : { requestHandler: new NodeHttpHandler({ httpsAgent: new Agent({ ca }) }) }),
  });
}

/** Whether somebody listens on this port. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
