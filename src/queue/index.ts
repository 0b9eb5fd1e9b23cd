import { embeddedQueue } from "./embedded.ts";
import type { Queue } from "./queue.ts";

export type { Queue } from "./queue.ts";

/** Every kind of queue. To add one: write its file, add its line. */
export const queues = {
  embedded: embeddedQueue,
} as const satisfies Record<string, () => Queue>;
