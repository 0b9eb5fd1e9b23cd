import type { IncomingMessage, ServerResponse } from "node:http";
import { TLSSocket } from "node:tls";
import { asHoldfastError, HoldfastError, toErrorRecord } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { schemaFaults } from "../lib/schema-faults.ts";
import { agentRoutes } from "../model/api/agent.ts";
import { HEADER_LIMIT_BYTES } from "../model/pack-header.ts";
import { HELD_PATH, type Held, OPEN_PATH } from "./keyholder-calls.ts";
import type { Keyholder } from "./keyholder.ts";

/** As many headers as one call may bring, each with its grant, and no more. */
const BODY_LIMIT_BYTES = 4 * 1024 * 1024;

export interface KeyholderService {
  /** A keyholder that records who asked. */
  keyholderFor(from: string): Keyholder;
  held(): Promise<Held>;
  readonly log: Log;
}

/** Answers the two calls that a keyholder knows; everything else is refused, in the form of the API's errors. */
export function keyholderHandler(service: KeyholderService): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const from = callerOf(request);
    answer(service, request, from)
      .then(
        (document) => send(response, 200, document),
        (error: unknown) => {
          const known = asHoldfastError(error);
          service.log.warn({ from, method: request.method, url: request.url, err: error }, "refused");
          send(response, known.row.status, { error: toErrorRecord(known) });
        },
      )
      // The caller went away: there is nobody to tell.
      .catch(() => undefined);
  };
}

/** By its certificate; behind a Unix socket there are only those that may open it. */
function callerOf({ socket }: IncomingMessage): string {
  if (!(socket instanceof TLSSocket)) return "socket";
  const { subject, fingerprint256 } = socket.getPeerCertificate();
  return `${String(subject?.CN ?? "")} ${fingerprint256}`.trim();
}

async function answer(service: KeyholderService, request: IncomingMessage, from: string): Promise<object> {
  const call = `${String(request.method)} ${String(request.url)}`;
  if (call === `GET ${HELD_PATH}`) return service.held();
  if (call !== `POST ${OPEN_PATH}`) throw new HoldfastError("NOT_FOUND", `The keyholder does not know ${call.slice(0, 200)}.`, { hint: "It takes headers with grants, nothing else." });
  const requests = requestsOf(await bodyOf(request));
  const fileKeys = await service.keyholderFor(from).open(requests);
  return { fileKeys: fileKeys.map((fileKey) => Buffer.from(fileKey).toString("base64")) };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const tooLarge = new HoldfastError("INPUT_INVALID", `The request has more than ${String(BODY_LIMIT_BYTES)} bytes.`, { hint: "Ask for fewer keys at once." });
  if (Number(request.headers["content-length"] ?? 0) > BODY_LIMIT_BYTES) throw tooLarge;
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
    sizeBytes += (chunk as Buffer).byteLength;
    if (sizeBytes > BODY_LIMIT_BYTES) throw tooLarge;
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch (cause) {
    throw new HoldfastError("INPUT_INVALID", "The request is not JSON.", { cause });
  }
}

function requestsOf(body: unknown): Parameters<Keyholder["open"]>[0] {
  const { input } = agentRoutes.openKeys;
  const parsed = input.safeParse(body);
  if (!parsed.success) throw new HoldfastError("INPUT_INVALID", `Not accepted: ${schemaFaults(parsed.error, input, body).map(({ field, message }) => `${field}: ${message}`).join("; ")}.`);
  return parsed.data.requests.map(({ grant, header }) => {
    const bytes = Buffer.from(header, "base64");
    if (bytes.byteLength <= HEADER_LIMIT_BYTES) return { grant, header: bytes };
    throw new HoldfastError("INPUT_INVALID", `A header of ${String(bytes.byteLength)} bytes is not believed; at most ${String(HEADER_LIMIT_BYTES)} are.`);
  });
}

function send(response: ServerResponse, status: number, document: object): void {
  // What of the request was not read must not be taken for the next one.
  if (!response.req.complete) response.setHeader("connection", "close");
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(document));
}
