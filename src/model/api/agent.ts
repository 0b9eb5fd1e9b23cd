import { z } from "zod";
import { poolsSchema } from "../agent.ts";
import { readObjectSchema } from "../check.ts";
import { offeredGrantSchema, signedGrantSchema } from "../grant.ts";
import { jobKindSchema, orderSchema, outcomeSchema, pieceReportSchema, progressSchema } from "../job.ts";
import { idSchema, isoTimeSchema, nameSchema, sha256Schema, sizeBytesSchema } from "../scalars.ts";
import { route } from "./route.ts";

/** The agent's side of the API. Every call about an attempt carries the fencing token of its lease. */
const lease = { attemptId: idSchema, fencingToken: z.number().int() };

export const agentRoutes = {
  begin: route({
    name: "agent.begin",
    method: "POST",
    path: "/v1/agent/begin",
    summary: "An agent's process has started: what an earlier one of the same identity worked on is given up.",
    role: "agent",
    input: z.object({}),
    output: z.object({ session: idSchema, name: nameSchema, pools: poolsSchema }),
  }),
  knocks: route({
    name: "agent.knocks",
    method: "POST",
    path: "/v1/agent/knocks",
    summary: "Wait until a job of the agent's pools may be due; the answer is empty when none was in time.",
    role: "agent",
    input: z.object({ session: idSchema, waitMs: z.number().int().min(0).max(60_000) }),
    output: z.object({ jobIds: z.array(idSchema) }),
  }),
  claim: route({
    name: "agent.claim",
    method: "POST",
    path: "/v1/agent/claim",
    summary: "Take one due job, if there is one; the answer is the attempt's order.",
    role: "agent",
    /** `kinds` narrows the choice: an agent whose hands are full still takes what costs it little. */
    input: z.object({ agent: z.string().min(1), session: idSchema.optional(), jobId: idSchema.optional(), kinds: z.array(jobKindSchema).min(1).optional() }),
    output: z.object({ order: orderSchema.nullable() }),
  }),
  heartbeat: route({
    name: "agent.heartbeat",
    method: "POST",
    path: "/v1/agent/attempts/:attemptId/heartbeat",
    summary: "Renew the lease and report progress; the answer tells whether to stop.",
    role: "agent",
    input: z.object({ ...lease, progress: progressSchema.nullable() }),
    output: z.object({ leaseMs: z.number().int(), cancel: z.boolean() }),
  }),
  grantPut: route({
    name: "agent.grantPut",
    method: "POST",
    path: "/v1/agent/attempts/:attemptId/grants",
    summary: "Ask to write objects under the attempt's prefix; names, sizes and hashes are bound.",
    role: "agent",
    /** With `withRequests` each grant comes with a request to the store itself, where the store takes signed ones. */
    input: z.object({ ...lease, withRequests: z.boolean().optional(), objects: z.array(z.object({ name: z.string(), sizeBytes: sizeBytesSchema, sha256: sha256Schema })).min(1).max(64) }),
    output: z.object({ grants: z.array(offeredGrantSchema) }),
  }),
  grantGet: route({
    name: "agent.grantGet",
    method: "POST",
    path: "/v1/agent/attempts/:attemptId/read-grants",
    summary: "Ask to read objects that the attempt's order names.",
    role: "agent",
    /** `toOpen` also lets the keyholder open the objects' headers; `withRequests` as for writing. */
    input: z.object({ ...lease, keys: z.array(z.string()).min(1).max(256), toOpen: z.boolean().optional(), withRequests: z.boolean().optional() }),
    output: z.object({ grants: z.array(offeredGrantSchema) }),
  }),
  reportPiece: route({
    name: "agent.reportPiece",
    method: "POST",
    path: "/v1/agent/attempts/:attemptId/pieces",
    summary: "Commit a stored piece of log.",
    role: "agent",
    input: z.object({ ...lease, piece: pieceReportSchema }),
    output: z.object({ committedAt: isoTimeSchema }),
  }),
  reportRead: route({
    name: "agent.reportRead",
    method: "POST",
    path: "/v1/agent/attempts/:attemptId/read",
    summary: "Keep what a check has read so far and what is wrong with it.",
    role: "agent",
    input: z.object({ ...lease, objects: z.array(readObjectSchema).min(1).max(256) }),
    output: z.object({}),
  }),
  finish: route({
    name: "agent.finish",
    method: "POST",
    path: "/v1/agent/attempts/:attemptId/finish",
    summary: "End the attempt; a backup is committed before the answer.",
    role: "agent",
    input: z.object({ ...lease, outcome: outcomeSchema }),
    output: z.object({ state: z.string() }),
  }),
  openKeys: route({
    name: "keys.open",
    method: "POST",
    path: "/v1/keys/open",
    summary: "Exchange pack headers, each with its signed read grant, for file keys (base64).",
    role: "agent",
    input: z.object({ requests: z.array(z.object({ grant: signedGrantSchema, header: z.base64() })).min(1).max(256) }),
    output: z.object({ fileKeys: z.array(z.base64()) }),
  }),
};
