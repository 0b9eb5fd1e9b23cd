import type { z } from "zod";
import type { GateElsewhere } from "./gate.ts";

/** A way from an agent to a repository that the agent does not open itself: its machine holds no credentials of it. */
export interface Way<Options = unknown> {
  readonly kind: string;
  readonly title: string;
  readonly options: z.ZodType<Options>;
  /** Nothing is asked yet. `field` names the options in the configuration, for messages. */
  open(options: Options, field: string): Promise<GateElsewhere>;
}

export function defineWay<Options>(way: Way<Options>): Way<Options> {
  return way;
}
