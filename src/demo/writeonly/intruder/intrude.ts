import { tryAll, type Tried } from "../attempt.ts";
import { askForGrants, endingAttempts, forgedMergeAttempt, forgedPieceAttempt, grantForStoredPiece, leaseAttempts, rightsAttempts, type StolenLease, stealLeases } from "./api.ts";
import { gatewayAttempts, overwriteAttempt, replayedGrants, useGrant } from "./gateway.ts";
import { keyAttempts } from "./keys.ts";
import { machineAttempts } from "./machine.ts";
import { findLoot, type IntruderPlan, type Loot } from "./plan.ts";
import { overwriteWithRequest, replayedRequests, signedAttempts, useRequest } from "./signed.ts";
import { storeAttempts } from "./store.ts";

/**
 * Somebody who is root on the database host, with all that lies there. Looks around first, while the agent still runs;
 * then takes its place.
 */
export async function intrude(plan: IntruderPlan, tell: (tried: Tried) => void): Promise<void> {
  const loot = await findLoot(plan);
  const { store, stored } = plan;
  await tryAll(machineAttempts(plan), tell);
  await tryAll(rightsAttempts(loot), tell);
  if (store !== null) {
    const keys = stored.filter(({ repository }) => repository === "bucket").map(({ key }) => key);
    await tryAll(storeAttempts({ ...store, ca: loot.ca, keys, token: loot.identity.token }), tell);
  }
  for (const lease of await stealLeases(loot, plan.instances)) await tryLease(lease, { plan, loot, tell });
}

async function tryLease(lease: StolenLease, { plan, loot, tell }: { plan: IntruderPlan; loot: Loot; tell: (tried: Tried) => void }): Promise<void> {
  const stored = plan.stored.filter(({ repository }) => repository === lease.order.repository);
  const { segmentId, grants: [grant, second], body } = await askForGrants(lease);
  const target = { url: plan.gatewayUrl, ca: loot.ca, stored, token: loot.identity.token, grant, body };
  await tryAll(leaseAttempts(lease, plan), tell);
  await tryAll(keyAttempts(lease, { address: plan.keyholderAddress, ca: loot.ca, grant, stored }), tell);
  const overwriting = await grantForStoredPiece(lease, plan.stored);
  if (overwriting === null) throw new Error(`no piece of log of ${lease.order.instance.name} is known to the intruder`);
  const isSigned = lease.order.repository === "bucket";
  // The gateway knows the bucket not at all: what is granted for it is refused there, whatever it says.
  await tryAll(gatewayAttempts(target), tell);
  if (isSigned) {
    await tryAll(signedAttempts(target), tell);
    for (const one of [grant, second]) await useRequest({ ...target, grant: one });
    await tryAll([...replayedRequests(target), overwriteWithRequest({ ...target, ...overwriting })], tell);
  } else {
    for (const one of [grant, second]) await useGrant({ ...target, grant: one });
    await tryAll([...replayedGrants(target), overwriteAttempt({ ...target, ...overwriting })], tell);
  }
  const rubbish = { segmentId, body };
  await tryAll([forgedPieceAttempt(lease, { ...rubbish, logFile: plan.logFile }), forgedMergeAttempt(lease, { ...rubbish, logFile: plan.openLogFile }), ...endingAttempts(lease)], tell);
}
