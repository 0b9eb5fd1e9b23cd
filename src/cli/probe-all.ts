import type { Client } from "../client/client.ts";
import { asHoldfastError } from "../lib/errors.ts";
import { api } from "../model/api/index.ts";
import type { Diagnosis } from "../model/api/system.ts";
import type { CommandContext } from "./command.ts";
import { allPages } from "./pages.ts";
import { watchJob } from "./watch-job.ts";

/** Probes every instance now, so that a diagnosis rests on this minute and not on yesterday's probe; gives those that did not answer. */
export async function probeAll(context: CommandContext, client: Client): Promise<Diagnosis[]> {
  const instances = await allPages("instances", (page) => client.call(api.instances.list, page, context.signal));
  const silent: Diagnosis[] = [];
  for (const { name } of instances.filter(({ removedAt }) => removedAt === null)) {
    try {
      await watchJob(context, client, (await client.call(api.instances.probe, { instance: name }, context.signal)).job);
    } catch (error) {
      context.signal.throwIfAborted();
      const { message, hint } = asHoldfastError(error);
      silent.push({ subject: `instance ${name}`, status: "error", message, remedy: hint });
    }
  }
  return silent;
}
