import { findChanges } from "../../control/find-changes.ts";
import { requireInstance } from "../../control/instances-view.ts";
import { api } from "../../model/api/index.ts";
import { implement } from "../implement.ts";

export const findRoutes = [
  implement(api.finds.find, async ({ instance: name, limit, ...question }, { dispatcher: { ports }, openLogIndex }) => {
    const { db } = ports.catalog;
    const instance = await requireInstance(db, name);
    return { ...(await findChanges(db, openLogIndex, { instanceId: instance.id, question, limit })), timeZone: instance.timeZone };
  }),
];
