import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { HoldfastError } from "./lib/errors.ts";
import { placePrivateFile } from "./lib/private-file.ts";
import { replaceFile } from "./lib/replace-file.ts";
import { idSchema, nameSchema } from "./model/scalars.ts";

/** Who an agent is, and which server it believes. Whoever reads it is the agent: only its owner may. */
const identitySchema = z.strictObject({
  server: z.string(),
  fingerprint: z.string().nullable(),
  agentId: idSchema,
  name: nameSchema,
  token: z.string(),
  signingPublicKey: z.string(),
});
export type AgentIdentity = z.infer<typeof identitySchema>;

export function identityPath(stateDir: string): string {
  return join(stateDir, "keys", "agent.json");
}

/** NOT_FOUND when this agent has not joined. */
export function readIdentity(stateDir: string): AgentIdentity {
  const path = identityPath(stateDir);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") throw new HoldfastError("NOT_FOUND", `The agent of ${stateDir} has joined no server yet.`, { cause, hint: "Make a token on the server with `holdfast agent invite`, then run `holdfast agent join` here." });
    throw new HoldfastError("CONFIG_INVALID", `The agent's identity ${path} cannot be read: ${(cause as Error).message}.`, { cause });
  }
  try {
    return identitySchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new HoldfastError("CONFIG_INVALID", `${path} does not hold an agent's identity.`, { cause, hint: "Revoke the agent on the server, remove the file and join again." });
  }
}

/** Keeps a new identity; REFUSED when there is one. */
export async function keepIdentity(stateDir: string, identity: AgentIdentity): Promise<void> {
  if (!(await placePrivateFile(identityPath(stateDir), textOf(identity)))) throw alreadyJoined(stateDir);
}

/** Puts a rotated token in the place of the old one: one of the two is there at every instant. */
export async function replaceIdentity(stateDir: string, identity: AgentIdentity): Promise<void> {
  await replaceFile(identityPath(stateDir), textOf(identity));
}

export function alreadyJoined(stateDir: string): HoldfastError {
  return new HoldfastError("REFUSED", `The agent of ${stateDir} has joined a server already.`, { hint: "Give another agent a state directory of its own. To join anew, revoke the old identity on the server and remove keys/agent.json." });
}

function textOf(identity: AgentIdentity): string {
  return `${JSON.stringify(identity, null, 2)}\n`;
}
