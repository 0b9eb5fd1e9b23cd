import { request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { parseAddress } from "../lib/address.ts";
import { fromErrorRecord, HoldfastError } from "../lib/errors.ts";
import { exchange, isNobodyThere } from "../lib/exchange.ts";
import { readNamedFile } from "../lib/named-file.ts";
import { retry, type RetryOptions } from "../lib/retry.ts";
import { agentRoutes } from "../model/api/agent.ts";
import { HELD_PATH, type Held, heldSchema, OPEN_PATH } from "./keyholder-calls.ts";
import type { Keyholder } from "./keyholder.ts";

/** Where a keyholder is reached. Files are named by absolute paths and read at each call. */
export type KeyholderPlace =
  | { readonly socket: string }
  | { readonly address: string; readonly certificate: string; readonly key: string; readonly ca: string };

export interface RemoteKeyholder extends Keyholder {
  /** What the keyholder says of itself; throws KEYHOLDER_UNREACHABLE when it does not answer. */
  held(): Promise<Held>;
}

/** A restart takes seconds; whoever asks goes on trying for longer, as long as the work can wait. */
const RETRIES = { tries: 6, firstPauseMs: 100, maxPauseMs: 2_000 } as const;
const ANSWER_LIMIT_MS = 60_000;
const ANSWER_LIMIT_BYTES = 1024 * 1024;

/** A keyholder in a process of its own. Asking again is harmless: what was released is released again, and recorded twice. */
export function remoteKeyholder(place: KeyholderPlace, retries: Omit<RetryOptions, "signal"> = RETRIES): RemoteKeyholder {
  const call = (method: string, path: string, body?: object): Promise<unknown> =>
    retry(async () => ask(await connectionTo(place), { method, path, body: body === undefined ? "" : JSON.stringify(body), where: nameOf(place) }), retries);
  return {
    open: async (requests) => {
      if (requests.length === 0) return [];
      const body = { requests: requests.map(({ grant, header }) => ({ grant, header: Buffer.from(header).toString("base64") })) };
      const { fileKeys } = agentRoutes.openKeys.output.parse(await call("POST", OPEN_PATH, body));
      if (fileKeys.length !== requests.length) throw new HoldfastError("INTERNAL", `The keyholder gave ${String(fileKeys.length)} file keys for ${String(requests.length)} headers.`);
      return fileKeys.map((fileKey) => Buffer.from(fileKey, "base64"));
    },
    held: async () => heldSchema.parse(await call("GET", HELD_PATH)),
  };
}

/** As people name it: the socket's path, or host and port. */
export function nameOf(place: KeyholderPlace): string {
  return "socket" in place ? place.socket : place.address;
}

type Connect = (options: RequestOptions) => ReturnType<typeof httpRequest>;

async function connectionTo(place: KeyholderPlace): Promise<Connect> {
  if ("socket" in place) return (options) => httpRequest({ ...options, socketPath: place.socket });
  // One after the other: when several are missing, each call names the same one.
  const [cert, key, ca] = [await readNamedFile("keyholder.certificate", place.certificate), await readNamedFile("keyholder.key", place.key), await readNamedFile("keyholder.ca", place.ca)];
  return (options) => httpsRequest({ ...options, ...parseAddress(place.address), cert, key, ca, minVersion: "TLSv1.3" });
}

async function ask(connect: Connect, { method, path, body, where }: { method: string; path: string; body: string; where: string }): Promise<unknown> {
  try {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const { status, text } = await exchange(connect({ method, path, agent: false, headers, signal: AbortSignal.timeout(ANSWER_LIMIT_MS) }), body, ANSWER_LIMIT_BYTES);
    return documentOf(status, text);
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw unreachable(error as NodeJS.ErrnoException, where);
  }
}

function documentOf(status: number, text: string): unknown {
  const document = JSON.parse(text) as { error?: Parameters<typeof fromErrorRecord>[0] };
  if (status === 200) return document;
  if (document.error === undefined) throw new Error(`it answered ${String(status)}`);
  throw fromErrorRecord(document.error);
}

function unreachable(cause: NodeJS.ErrnoException, where: string): HoldfastError {
  const why = isNobodyThere(cause) ? "nobody listens there" : cause.code === "EACCES" ? "this user may not open it" : cause.message;
  const hint =
    cause.code === "EACCES"
      ? "Put this user into the group that `socket.group` of the keyholder's configuration names."
      : "Start it with `holdfast keyholder`; nothing can be restored or verified without it, and what waits goes on when it is back.";
  return new HoldfastError("KEYHOLDER_UNREACHABLE", `The keyholder at ${where} does not answer: ${why}.`, { cause, hint });
}
