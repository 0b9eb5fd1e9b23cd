import type { Client } from "../client/client.ts";
import { delay } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { api } from "../model/api/index.ts";
import type { Queue } from "../queue/queue.ts";

const WAIT_MS = 25_000;
/** Longer than any wait: then the connection is dead. */
const ANSWER_WITHIN_MS = WAIT_MS + 15_000;
const PAUSE_MS = 1_000;

/** The one name to listen to: the server knows which pools an agent serves. */
export const OWN_POOLS = "own";

/** Hears knocks by asking the server, which answers when there is one. A server that is away is asked again. */
export function apiKnocks(client: Client, session: string, { log, pauseMs = PAUSE_MS }: { log: Log; pauseMs?: number }): Queue {
  return {
    knock: () => Promise.resolve(),
    listen: async (_pool, onKnock, signal) => {
      while (!signal.aborted) {
        try {
          const until = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]);
          const { jobIds } = await client.call(api.agent.knocks, { session, waitMs: WAIT_MS }, until);
          for (const jobId of jobIds) onKnock(jobId);
        } catch (error) {
          if (signal.aborted) return;
          log.debug({ err: error }, "no knocks can be heard; will ask again");
          await delay(pauseMs, signal).catch(() => undefined);
        }
      }
    },
    close: () => Promise.resolve(),
  };
}
