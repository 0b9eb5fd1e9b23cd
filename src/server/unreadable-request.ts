import type { Socket } from "node:net";
import { HoldfastError, toErrorRecord } from "../lib/errors.ts";

/** Answers bytes that are no HTTP request, or one with headers too large, in the form of every other error, and closes. */
export function refuseUnreadable(cause: Error & { code?: string }, socket: Socket): void {
  if (cause.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const error = new HoldfastError("USAGE", `The request cannot be read: ${cause.message}.`, { hint: "Send HTTP/1.1 with headers of at most 16 KiB.", cause });
  const body = JSON.stringify({ error: toErrorRecord(error) });
  const head = ["HTTP/1.1 400 Bad Request", "content-type: application/json; charset=utf-8", `content-length: ${String(Buffer.byteLength(body))}`, "connection: close"];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
