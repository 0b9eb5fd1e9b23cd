import { getProbe } from "../../catalog/probes.ts";
import { submitJob } from "../../control/dispatch.ts";
import { soundCoverageOf, requireInstance, summarize, summarizeAll } from "../../control/instances-view.ts";
import { requireCurrent } from "../../control/requests.ts";
import { api } from "../../model/api/index.ts";
import { implement } from "../implement.ts";
import { readPage } from "../page.ts";

const { instances } = api;

export const instanceRoutes = [
  implement(instances.list, async (page, { dispatcher }) => {
    const { entries, next } = await readPage(instances.list, page, { read: (place) => summarizeAll(dispatcher.ports.catalog.db, place), keyOf: ({ name }) => name });
    return { instances: entries, next };
  }),
  implement(instances.show, async ({ instance: name }, { dispatcher }) => {
    const { db } = dispatcher.ports.catalog;
    const instance = await requireInstance(db, name);
    return { instance: await summarize(db, instance), probe: await getProbe(db, instance.id) };
  }),
  implement(instances.probe, async ({ instance: name }, { dispatcher: { ports } }) => {
    const instance = await requireCurrent(ports.catalog.db, name);
    return { job: await submitJob(ports, { params: { kind: "probe" }, instanceId: instance.id, policy: instance.policy, subject: "probe" }) };
  }),
  implement(instances.coverage, async ({ instance: name }, { dispatcher }) => {
    const { db } = dispatcher.ports.catalog;
    return { coverage: await soundCoverageOf(db, (await requireInstance(db, name)).id) };
  }),
];
