import { listFindings } from "../../catalog/findings.ts";
import { applyConfig } from "../../control/apply-config.ts";
import { diagnose } from "../../control/doctor.ts";
import { exportCatalog } from "../../control/export.ts";
import { thaw } from "../../control/frozen.ts";
import { requestCheck } from "../../control/request-check.ts";
import { readStatus } from "../../control/status.ts";
import { isoTime } from "../../lib/clock.ts";
import { api } from "../../model/api/index.ts";
import { nameOf } from "../caller.ts";
import { implement } from "../implement.ts";
import { readPage } from "../page.ts";

const { system } = api;

export const systemRoutes = [
  implement(system.status, async (_input, { dispatcher, version }) => readStatus(dispatcher.ports, dispatcher.leases, version)),
  implement(system.findings, async ({ all, ...page }, { dispatcher }) => {
    const { entries, next } = await readPage(system.findings, page, { read: ({ after, limit }) => listFindings(dispatcher.ports.catalog.db, { all, before: after, limit }), keyOf: ({ findingId }) => findingId });
    return { findings: entries, next };
  }),
  implement(system.apply, async ({ yaml, sourceName, dryRun }, { dispatcher: { ports }, configuration }, { caller }) => {
    // Relative paths count from the file's folder; a file on another machine has none here.
    const config = await configuration.parse(yaml, caller.kind === "owner" ? sourceName : configuration.sourceName());
    const changes = await applyConfig(ports.catalog.db, config, { dryRun, at: isoTime(ports.clock.nowMs()), newId: ports.newId });
    if (!dryRun) await configuration.applied(config);
    return { changes };
  }),
  implement(system.doctor, async (_input, context) => ({ diagnoses: await diagnose({ ...context.dispatcher.ports, heldRecipients: () => context.heldRecipients() }) })),
  implement(system.thaw, async ({ by }, { dispatcher: { ports, settings } }, { caller }) => {
    const was = await thaw(ports.catalog.db, ports.clock.nowMs() + settings.keepReplacedMs);
    if (was !== null) ports.log.warn({ by: nameOf(caller, by), frozenSince: was.at, why: was.why }, "thawed: schedules run again");
    return { was };
  }),
  implement(system.export, async (_input, { dispatcher }) => exportCatalog(dispatcher.ports)),
  implement(system.checkRepository, async (request, { dispatcher: { ports } }) => requestCheck(ports, request)),
];
