import { getPolicy } from "../catalog/policies.ts";
import { sideBySide } from "../lib/side-by-side.ts";
import { type ControlPorts, storageOf } from "./ports.ts";

const AT_ONCE = 8;

export interface Committed {
  readonly repository: string;
  readonly policy: string;
  readonly keys: readonly string[];
}

/** Locks what is committed for as long as its policy says, or the repository where it does not; nothing where there are no locks. */
export async function lockCommitted(ports: ControlPorts, { repository, policy, keys }: Committed): Promise<void> {
  const { lock } = storageOf(ports, repository);
  if (lock === undefined) return;
  const lockMs = (await getPolicy(ports.catalog.db, policy))?.spec.lockFor ?? lock.committedMs;
  const untilMs = ports.clock.nowMs() + lockMs;
  await sideBySide(keys, AT_ONCE, (key) => lock.extend(key, untilMs));
}
