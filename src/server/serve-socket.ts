import { chmod, mkdir, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { FastifyInstance } from "fastify";
import { HoldfastError } from "../lib/errors.ts";

/** The kernel's limit is 108 bytes with the closing zero on Linux, 104 elsewhere. */
export const SOCKET_PATH_LIMIT_BYTES = 100;

/**
 * Listens on a Unix socket that only its owner may open. The socket of a process that has died is replaced; one that
 * answers is respected: ALREADY_RUNNING. CONFIG_INVALID when the path is too long for a socket. Gives the function
 * that closes the server and removes the socket.
 */
export async function serveSocket(app: FastifyInstance, socketPath: string): Promise<() => Promise<void>> {
  requireShortPath(socketPath);
  await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 });
  if (await answers(socketPath)) {
    throw new HoldfastError("ALREADY_RUNNING", `Another process serves ${socketPath}.`, { hint: "Stop it first, or give this one another `stateDir`." });
  }
  await unlink(socketPath).catch(ignoreMissing);
  // Between these two calls the socket has the process's own mask; the private directory above it keeps others out.
  await app.listen({ path: socketPath });
  await chmod(socketPath, 0o600);
  return async () => {
    await app.close();
    await unlink(socketPath).catch(ignoreMissing);
  };
}

function requireShortPath(socketPath: string): void {
  const sizeBytes = Buffer.byteLength(socketPath);
  if (sizeBytes <= SOCKET_PATH_LIMIT_BYTES) return;
  throw new HoldfastError(
    "CONFIG_INVALID",
    `The path of the socket ${socketPath} has ${String(sizeBytes)} bytes; a Unix socket's path may have at most ${String(SOCKET_PATH_LIMIT_BYTES)}.`,
    { hint: "Set `stateDir` to a shorter path." },
  );
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

/** No listener, no socket, no file, no directory. */
const SILENT = new Set(["ENOENT", "ECONNREFUSED", "ENOTDIR", "ENOTSOCK"]);

function unusable(socketPath: string, cause: NodeJS.ErrnoException): HoldfastError {
  if (cause.code === "EACCES" || cause.code === "EPERM") {
    return new HoldfastError("UNREACHABLE", `This user may not look into ${dirname(socketPath)}, where the socket of \`holdfast up\` lies.`, { cause, hint: "Run the command as the user that Holdfast runs as." });
  }
  return new HoldfastError("UNREACHABLE", `The socket ${socketPath} cannot be tried: ${cause.message}.`, { cause });
}

/** True when a process accepts connections there. A file without a listener refuses; no file is no listener either. UNREACHABLE when this user may not try. */
export function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.destroy();
      if (SILENT.has(error.code ?? "")) resolve(false);
      else reject(unusable(socketPath, error));
    });
  });
}
