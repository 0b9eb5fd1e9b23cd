import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

/** An object that is stored, as an intruder may have learned of it: names are no secret. */
const storedSchema = z.object({ repository: z.string(), key: z.string(), sizeBytes: z.number(), sha256: z.string() });
export type StoredObject = z.infer<typeof storedSchema>;

/**
 * What the intruder is told: addresses and names. Whatever opens anything it must find on the database host by itself,
 * for it is a process that sees nothing else.
 */
export const intruderPlanSchema = z.object({
  /** Where the agent's file and its state lie. */
  agentDir: z.string(),
  serverUrl: z.string(),
  gatewayUrl: z.string(),
  keyholderAddress: z.string(),
  store: z.object({ endpoint: z.string(), bucket: z.string() }).nullable(),
  /** Files and directories of the other hosts, by the very paths they have there. */
  elsewhere: z.array(z.object({ what: z.string(), path: z.string() })),
  /** Programs of the other hosts, as their command lines name them. */
  otherPrograms: z.array(z.string()),
  /** What must not be in the memory of anything that runs here: what it is, and how it reads. */
  secrets: z.array(z.object({ what: z.string(), pattern: z.string() })),
  stored: z.array(storedSchema).min(1),
  /** Of another pool. */
  foreignJobId: z.string(),
  /** An attempt that is not this agent's any more: that of a committed backup. */
  backupId: z.string(),
  instances: z.array(z.string()).min(1),
  /** Of the log, stored to its end. */
  logFile: z.string(),
  /** Of the log, being written: it is stored in tails. */
  openLogFile: z.string(),
});
export type IntruderPlan = z.infer<typeof intruderPlanSchema>;

const identitySchema = z.object({ server: z.string(), fingerprint: z.string().nullable(), agentId: z.string(), name: z.string(), token: z.string(), signingPublicKey: z.string() });

/** What root finds on the database host that is of any use against the backups. */
export interface Loot {
  readonly identity: z.infer<typeof identitySchema>;
  /** Vouches for gateway and bucket. */
  readonly ca: string;
  readonly joinToken: string;
}

export async function findLoot({ agentDir }: IntruderPlan): Promise<Loot> {
  const read = (...path: string[]): Promise<string> => readFile(join(agentDir, ...path), "utf8");
  return { identity: identitySchema.parse(JSON.parse(await read("state", "keys", "agent.json"))), ca: await read("ca.pem"), joinToken: await read("join.token") };
}
