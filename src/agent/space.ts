import { join } from "node:path";
import type { Buffers } from "../jobs/ports.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Order } from "../model/job.ts";
import { makeScratch } from "./scratch.ts";

/** How much each backup may hold between its tool and the repository. */
export interface AgentBuffers extends Omit<Buffers, "spoolDir"> {
  /** A directory of Holdfast's own for spools; each lies in the scratch directory of its attempt unless told. */
  readonly spoolRoot?: string | undefined;
}

export const DEFAULT_BUFFERS: AgentBuffers = { bufferBytes: 128 * 1024 ** 2, spoolBytes: 8 * 1024 ** 3 };

/** The directories of one attempt. */
export interface Space {
  readonly scratchDir: string;
  readonly buffers: Buffers;
  remove(): Promise<void>;
}

interface Place {
  readonly name: string;
  readonly scratchRoot: string;
  readonly buffers?: AgentBuffers;
}

/** Makes the directories of an attempt; a spool elsewhere is marked with its owner as scratch space is, so that a crash leaves nothing unnamed. */
export async function makeSpace(place: Place, order: Pick<Order, "attemptId" | "work">): Promise<Space> {
  const { spoolRoot, ...buffers } = place.buffers ?? DEFAULT_BUFFERS;
  const owner = { attemptId: order.attemptId, agent: place.name };
  const scratch = await makeScratch(place.scratchRoot, owner);
  if (spoolRoot === undefined || order.work.kind !== "backup") {
    return { scratchDir: scratch.dir, buffers: { ...buffers, spoolDir: join(scratch.dir, "spool") }, remove: () => scratch.remove() };
  }
  try {
    const spool = await makeScratch(spoolRoot, owner);
    return {
      scratchDir: scratch.dir,
      buffers: { ...buffers, spoolDir: spool.dir },
      remove: async () => {
        await spool.remove();
        await scratch.remove();
      },
    };
  } catch (error) {
    await scratch.remove();
    const why = error instanceof Error ? error.message : String(error);
    throw new HoldfastError("CONFIG_INVALID", `The spool directory ${spoolRoot} cannot be used: ${why}.`, { cause: error, hint: "Give `agent.spoolDir` a place that this user may write to." });
  }
}
