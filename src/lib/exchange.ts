import type { ClientRequest, IncomingMessage } from "node:http";

const NOBODY = new Set(["ENOENT", "ECONNREFUSED", "ENOTSOCK"]);

/** True for errors of a Unix socket or address that mean: nobody listens there. */
export function isNobodyThere({ code = "" }: NodeJS.ErrnoException): boolean {
  return NOBODY.has(code);
}

/** Sends a request with its whole body and reads the whole answer, up to `limitBytes`. */
export function exchange(call: ClientRequest, payload: string | undefined, limitBytes = Number.POSITIVE_INFINITY): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    call.once("error", reject);
    call.once("response", (response) => {
      readText(response, limitBytes).then((text) => {
        resolve({ status: response.statusCode ?? 0, text });
      }, reject);
    });
    call.end(payload);
  });
}

async function readText(response: IncomingMessage, limitBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    sizeBytes += (chunk as Buffer).byteLength;
    if (sizeBytes > limitBytes) throw new Error("the answer does not end");
  }
  return Buffer.concat(chunks).toString("utf8");
}
