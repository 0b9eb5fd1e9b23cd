import { recordRead } from "../../control/check-progress.ts";
import { commitPiece } from "../../control/commit-piece.ts";
import { claim } from "../../control/dispatch.ts";
import { finishAttempt } from "../../control/finish.ts";
import { api } from "../../model/api/index.ts";
import { implement } from "../implement.ts";

const { agent } = api;

export const agentRoutes = [
  implement(agent.claim, async (request, { dispatcher }) => ({ order: await claim(dispatcher, request) })),
  implement(agent.heartbeat, async ({ progress, ...lease }, { dispatcher }) => dispatcher.leases.heartbeat(lease, progress)),
  implement(agent.grantPut, async ({ objects, ...lease }, { grants }) => ({ grants: await grants.put(lease, objects) })),
  implement(agent.grantGet, async ({ keys, toOpen = false, ...lease }, { grants }) => ({ grants: await grants.get(lease, keys, { toOpen }) })),
  implement(agent.reportPiece, async ({ piece, ...lease }, { dispatcher }) => commitPiece(dispatcher.ports, lease, piece)),
  implement(agent.reportRead, async ({ objects, ...lease }, { dispatcher }) => {
    await recordRead(dispatcher.ports, lease, objects);
    return {};
  }),
  implement(agent.finish, async ({ outcome, ...lease }, { dispatcher }) => finishAttempt(dispatcher.ports, dispatcher, lease, outcome)),
  implement(agent.openKeys, async ({ requests }, { keyholder }) => {
    const opened = await keyholder.open(requests.map(({ grant, header }) => ({ grant, header: Buffer.from(header, "base64") })));
    return { fileKeys: opened.map((fileKey) => Buffer.from(fileKey).toString("base64")) };
  }),
];
