import { findInstance } from "../catalog/instances.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import type { HookFailure } from "../model/hook.ts";
import { clear, raise } from "./findings.ts";
import type { ControlPorts } from "./ports.ts";

type Ports = Pick<ControlPorts, "clock" | "newId" | "log">;

const KIND = "hook-failed";

/** An attempt and what it told of the hooks after it. */
export interface ToldHooks {
  readonly attemptId: string;
  readonly instanceId: string;
  readonly failures: readonly HookFailure[];
}

/** Opens the finding about hooks after an attempt that failed, however the attempt ended. */
export async function raiseHookFailures(ports: Ports, db: CatalogDb, { attemptId, instanceId, failures }: ToldHooks): Promise<void> {
  if (failures.length === 0) return;
  const { name } = await findInstance(db, instanceId);
  const message = `After attempt ${attemptId} to back up ${name}: ${failures.map(({ error }) => error.message).join(" ")}`;
  const remedy = `What ${failures.map(({ hook }) => hook).join(", ")} should have done may not have been done: see to it on the machine whose file lists the hook. The next backup of ${name} whose hooks go well closes this.`;
  await raise(ports, db, { kind: KIND, subject: `instance:${instanceId}`, severity: "warning", message, remedy });
}

/** After a backup that was committed: the finding is open when one of its hooks failed, else closed. */
export async function recordHooks(ports: Ports, db: CatalogDb, told: ToldHooks): Promise<void> {
  if (told.failures.length === 0) await clear(ports, db, { kind: KIND, subject: `instance:${told.instanceId}` });
  else await raiseHookFailures(ports, db, told);
}
