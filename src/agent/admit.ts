import { lstat, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { canonicalJson } from "../lib/canonical-json.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { JobKind, Order, Work } from "../model/job.ts";
import type { RestoreTarget } from "../model/restore.ts";
import type { PermitRecipients } from "./recipient-pins.ts";

/** What an agent's own machine permits, whatever the server orders. */
export interface Pins {
  /** How the agent is called, for messages. */
  readonly agent: string;
  /** By name: those that it serves, and how it reaches them. */
  readonly instances: ReadonlyMap<string, { readonly engine: string; readonly connection?: Record<string, unknown> | undefined }>;
  /** To whom every backup and piece of log is encrypted. */
  readonly permitRecipients: PermitRecipients;
  /** Directories below which restores may write. */
  readonly restoreTargets: readonly string[];
  /** Names of the hooks that it lists. */
  readonly hooks: Pick<ReadonlyMap<string, unknown>, "has">;
  /** Servers into which a table may be loaded, in the engine's connection form. */
  readonly restoreConnections: readonly Record<string, unknown>[];
}

/** Work for which a server is reached; the rest is about what is stored. */
const REACHING_KINDS: ReadonlySet<JobKind> = new Set<JobKind>(["backup", "ship", "probe"]);

/**
 * The order as this machine carries it out: its own connection takes the place of the server's. AGENT_REFUSED names what
 * this machine's file does not permit, so that who holds the server does not hold every machine.
 */
export async function admitOrder(order: Order, pins: Pins): Promise<Order> {
  const { work, instance } = order;
  // A check reads what its grants name and touches no database.
  if (work.kind === "check") return order;
  const pinned = pins.instances.get(instance.name);
  if (pinned?.engine !== instance.engine) {
    throw refused(pins, `its file names no ${instance.engine} instance ${instance.name}`, instance.name);
  }
  if (REACHING_KINDS.has(work.kind) && pinned.connection === undefined) throw refused(pins, `its file gives no connection to ${instance.name}`, instance.name);
  if ("sealing" in work) await pins.permitRecipients(work.sealing, (why, value) => refused(pins, why, value));
  requireListedHooks(work, pins);
  if (work.kind === "restore") await requireTarget(work.target, pins);
  return { ...order, instance: { ...instance, connection: pinned.connection ?? null } };
}

/** AGENT_REFUSED names the first hook, before the work or after it, that this machine's file does not list. */
function requireListedHooks(work: Work, pins: Pick<Pins, "agent" | "hooks">): void {
  const { before = [], after = [] } = (work.kind === "backup" ? work.hooks : undefined) ?? {};
  const unlisted = [...before, ...after].find((name) => !pins.hooks.has(name));
  if (unlisted !== undefined) throw refused(pins, `its file lists no hook ${unlisted}`, unlisted);
}

/** For an agent in the server's own process: hooks stand in the file that it was started with, whatever was applied since. */
export function admitHooks(pins: Pick<Pins, "agent" | "hooks">): (order: Order) => Promise<Order> {
  return async (order) => {
    requireListedHooks(order.work, pins);
    return order;
  };
}

async function requireTarget(target: RestoreTarget, pins: Pins): Promise<void> {
  if (target.kind === "table" && target.into !== undefined) {
    const into = canonicalJson(target.into);
    if (!pins.restoreConnections.some((connection) => canonicalJson(connection) === into)) throw refused(pins, "its file names no such server among restoreConnections", "into");
  }
  const path = target.kind === "directory" ? target.path : target.sqlPath;
  if (path === undefined) return;
  // After a symbolic link `..` leads elsewhere than it reads.
  const real = path.split(sep).includes("..") ? null : await realPlace(path);
  for (const permitted of real === null ? [] : pins.restoreTargets) {
    const root = await realpath(permitted).catch(() => null);
    if (root !== null && real !== null && isBelow(real, root)) return;
  }
  throw refused(pins, `${path} does not lie below one of its restoreTargets (${pins.restoreTargets.join(", ") || "none"})`, path);
}

/** Where a path leads in truth, every symbolic link followed, as far as it exists. */
async function realPlace(path: string): Promise<string> {
  const missing: string[] = [];
  for (let at = resolve(path); ; at = dirname(at)) {
    const real = await realpath(at).catch(() => null);
    if (real !== null) return join(real, ...missing.reverse());
    // A link that leads nowhere exists all the same, and what is written there would lie where it points.
    if (await lstat(at).then(() => true, () => false)) return sep;
    missing.push(basename(at));
  }
}

function isBelow(path: string, root: string): boolean {
  return path !== root && path.startsWith(root.endsWith(sep) ? root : `${root}${sep}`);
}

function refused({ agent }: Pick<Pins, "agent">, why: string, value: string): HoldfastError {
  return new HoldfastError("AGENT_REFUSED", `Agent ${agent} refuses the order: ${why}.`, { details: { agent, refused: value } });
}
