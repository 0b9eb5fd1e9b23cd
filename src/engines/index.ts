import { HoldfastError } from "../lib/errors.ts";
import type { Engine } from "./engine.ts";
import { mysqlEngine } from "./mysql/index.ts";

/** Every kind of database that Holdfast knows. */
export const engines: readonly Engine[] = [mysqlEngine];

/** The engine of a kind; CONFIG_INVALID names the kinds there are. */
export function engineFor(kind: string): Engine {
  const found = engines.find((engine) => engine.kind === kind);
  if (found !== undefined) return found;
  throw new HoldfastError("CONFIG_INVALID", `There is no engine "${kind}".`, { hint: `Set \`engine\` to one of: ${engines.map((engine) => engine.kind).join(", ")}.` });
}
