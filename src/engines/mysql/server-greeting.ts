import { createConnection } from "node:net";
import { delay } from "../../lib/clock.ts";

/** sun_path of Linux holds 108 bytes with the closing zero. */
export const SOCKET_PATH_BYTES = 107;

/** How the wait for a starting server ended. */
export type Greeting = "ready" | "ended" | "late" | "cancelled";

export interface GreetingWait {
  readonly socket: string;
  readonly limitMs: number;
  /** True once the server's process has ended. */
  readonly ended: () => boolean;
  readonly signal?: AbortSignal | undefined;
}

const POLL_MS = 30;
const CONNECT_LIMIT_MS = 1_000;

/** Waits until a server greets on its socket, ends, or the limit passes. */
export async function waitForGreeting(wait: GreetingWait): Promise<Greeting> {
  const deadlineMs = performance.now() + wait.limitMs;
  while (!(await greets(wait.socket))) {
    if (wait.ended()) return "ended";
    if (wait.signal?.aborted === true) return "cancelled";
    if (performance.now() > deadlineMs) return "late";
    await delay(POLL_MS);
  }
  return "ready";
}

/** True when the server sends its greeting: the socket alone opens earlier, before the init statements are done. */
function greets(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection(socket);
    const done = (answer: boolean): void => {
      connection.destroy();
      resolve(answer);
    };
    connection.setTimeout(CONNECT_LIMIT_MS, () => {
      done(false);
    });
    connection.once("data", () => {
      done(true);
    });
    connection.once("error", () => {
      done(false);
    });
    connection.once("close", () => {
      done(false);
    });
  });
}
