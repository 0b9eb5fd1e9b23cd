import type { Client } from "../client/client.ts";
import { delay } from "../lib/clock.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { pauseMs } from "../lib/retry.ts";

const PAUSES = { firstPauseMs: 250, maxPauseMs: 5_000 };

/**
 * Asks a server that is away again for as long as the call's signal lets it: not a count of tries but the lease decides
 * how long work may wait for it. Every other error is thrown as it comes.
 */
export function patientClient(client: Client, { log, pauses = PAUSES }: { log: Log; pauses?: typeof PAUSES }): Client {
  return {
    call: async (route, input, signal) => {
      for (let failures = 1; ; failures += 1) {
        try {
          return await client.call(route, input, signal);
        } catch (error) {
          signal?.throwIfAborted();
          const isAway = isHoldfastError(error, "UNREACHABLE") || isHoldfastError(error, "TOO_MANY_REQUESTS");
          if (!isAway || signal === undefined) throw error;
          log.warn({ route: route.name, failures, err: error }, "the server is away; will ask again");
          await delay(pauseMs(failures, pauses), signal);
        }
      }
    },
  };
}
