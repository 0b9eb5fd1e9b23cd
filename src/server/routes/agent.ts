import { findAttempt } from "../../catalog/attempts.ts";
import { beginSession, requireSession } from "../../control/agents.ts";
import { recordRead } from "../../control/check-progress.ts";
import { commitPiece } from "../../control/commit-piece.ts";
import { claim } from "../../control/dispatch.ts";
import { finishAttempt } from "../../control/finish.ts";
import { waitForKnocks } from "../../control/knocks.ts";
import { type LeaseClaim, requireLease } from "../../control/leases.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { api } from "../../model/api/index.ts";
import { type Caller, requireAgentCaller } from "../caller.ts";
import type { ServerContext } from "../context.ts";
import { implement } from "../implement.ts";

const { agent } = api;

export const agentRoutes = [
  implement(agent.begin, async (_input, { dispatcher }, { caller }) => {
    const { agentId, name, pools } = requireAgentCaller(caller);
    return { name, pools: [...pools], ...(await beginSession(dispatcher, agentId)) };
  }),
  implement(agent.knocks, async ({ session, waitMs }, { dispatcher: { ports } }, { caller, signal }) => {
    const { agentId, pools } = requireAgentCaller(caller);
    await requireSession(ports, agentId, session);
    return { jobIds: await waitForKnocks(ports, pools, { waitMs, signal }) };
  }),
  implement(agent.claim, async ({ session, ...request }, context, { caller }) => ({ order: await claimAs(caller, context, { ...request, session }) })),
  implement(agent.heartbeat, async ({ progress, ...lease }, { dispatcher }, { caller }) => {
    const answer = await dispatcher.leases.heartbeat(own(lease, caller), progress);
    return { ...answer, cancel: answer.cancel || (await isToGoElsewhere(lease, dispatcher, caller)) };
  }),
  implement(agent.grantPut, async ({ objects, withRequests, ...lease }, { grants }, { caller }) => ({ grants: await grants.put(own(lease, caller), objects, { withRequests }) })),
  implement(agent.grantGet, async ({ keys, toOpen, withRequests, ...lease }, { grants }, { caller }) => ({ grants: await grants.get(own(lease, caller), keys, { toOpen, withRequests }) })),
  implement(agent.reportPiece, async ({ piece, ...lease }, { dispatcher }, { caller }) => commitPiece(dispatcher.ports, own(lease, caller), piece, dispatcher.settings)),
  implement(agent.reportRead, async ({ objects, ...lease }, { dispatcher }, { caller }) => {
    await recordRead(dispatcher.ports, own(lease, caller), objects);
    return {};
  }),
  implement(agent.finish, async ({ outcome, ...lease }, { dispatcher }, { caller }) => finishAttempt(dispatcher.ports, dispatcher, own(lease, caller), outcome)),
  implement(agent.openKeys, async ({ requests }, { keyholder, dispatcher }, { caller }) => {
    for (const attemptId of new Set(requests.map(({ grant }) => grant.body.attemptId))) await requireOwnRunning(attemptId, dispatcher, caller);
    const opened = await keyholder.open(requests.map(({ grant, header }) => ({ grant, header: Buffer.from(header, "base64") })));
    return { fileKeys: opened.map((fileKey) => Buffer.from(fileKey).toString("base64")) };
  }),
];

type Dispatcher = ServerContext["dispatcher"];

/** An agent's claim, for its pools and under its own name, whatever it says; the server's own agent has no identity. */
async function claimAs(caller: Caller, { dispatcher, ownPools }: ServerContext, request: { agent: string; session?: string | undefined; jobId?: string | undefined; kinds?: Parameters<typeof claim>[1]["kinds"] }): ReturnType<typeof claim> {
  const { agent: said, session, jobId, kinds } = request;
  if (caller.kind !== "agent") return claim(dispatcher, { agent: said, jobId, kinds, pools: ownPools ?? undefined });
  const { agentId, name, pools, isDraining } = caller;
  if (session === undefined) throw new HoldfastError("INPUT_INVALID", "An agent claims with the session that agent.begin gave it.");
  await requireSession(dispatcher.ports, agentId, session);
  return isDraining ? null : claim(dispatcher, { agent: name, jobId, kinds, pools, identity: { agentId, session } });
}

/** An agent reports only on what it holds itself: knowing the numbers of another's lease is not enough. */
function own({ attemptId, fencingToken }: LeaseClaim, caller: Caller): LeaseClaim {
  return { attemptId, fencingToken, agent: caller.kind === "agent" ? caller.name : undefined };
}

/** Shipping never ends by itself, so a draining agent is asked to let it go. */
async function isToGoElsewhere({ attemptId }: LeaseClaim, { ports }: Dispatcher, caller: Caller): Promise<boolean> {
  if (caller.kind !== "agent" || !caller.isDraining) return false;
  return (await ports.catalog.db.selectFrom("attempt").innerJoin("job", "job.id", "attempt.jobId").select("job.kind").where("attempt.id", "=", attemptId).executeTakeFirst())?.kind === "ship";
}

/** A read grant that was copied from elsewhere opens nothing: keys go to who holds the lease that it was given for. */
async function requireOwnRunning(attemptId: string, { ports }: Dispatcher, caller: Caller): Promise<void> {
  if (caller.kind !== "agent") return;
  const { fencingToken } = await findAttempt(ports.catalog.db, attemptId);
  await requireLease(ports.catalog.db, { attemptId, fencingToken, agent: caller.name });
}
