import { submitJob } from "../../control/dispatch.ts";
import { requireInstance } from "../../control/instances-view.ts";
import { planRestore } from "../../control/plan-restore.ts";
import { api } from "../../model/api/index.ts";
import type { RestoreGoal, RestorePlan } from "../../model/restore.ts";
import type { ServerContext } from "../context.ts";
import { implement } from "../implement.ts";

const { restores } = api;

export const restoreRoutes = [
  implement(restores.plan, async (input, context) => ({ plan: await planFor(input, context) })),
  implement(restores.run, async ({ target, ...input }, context) => {
    const plan = await planFor(input, context);
    const { ports } = context.dispatcher;
    const subject = target.kind === "table" ? `${target.schema}.${target.table}` : target.path;
    const { policy } = await requireInstance(ports.catalog.db, plan.instanceId);
    const params = { kind: "restore", goal: input.goal, allowGap: input.allowGap, target, plan } as const;
    return { job: await submitJob(ports, { params, instanceId: plan.instanceId, policy, subject }), plan };
  }),
];

/** Backups of an instance that the configuration no longer names can be restored, too. */
async function planFor(input: { instance: string; goal: RestoreGoal; allowGap: boolean }, { dispatcher: { ports }, openLogIndex }: ServerContext): Promise<RestorePlan> {
  const { db } = ports.catalog;
  const instance = await requireInstance(db, input.instance);
  return planRestore(db, openLogIndex, { instance, goal: input.goal, allowGap: input.allowGap, nowMs: ports.clock.nowMs() });
}
