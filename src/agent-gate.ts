import type { Closers } from "./closers.ts";
import type { Config } from "./config.ts";
import { HoldfastError } from "./lib/errors.ts";
import { readNamedFile } from "./lib/named-file.ts";
import type { ObjectGate } from "./storage/gate.ts";
import type { DoorOptions } from "./storage/grant-door.ts";
import { openGate } from "./storage/open-gate.ts";
import { remoteGate } from "./storage/remote-gate.ts";

/** The agent's only way to repositories: a gateway where the configuration names one, else this very process. */
export async function agentGate({ agent: { gateway } }: Config, here: DoorOptions, closers: Closers): Promise<ObjectGate> {
  if (gateway === undefined) return openGate(here);
  const { url, caFile } = gateway;
  const gate = remoteGate({ url, ca: caFile === undefined ? undefined : await readCa(caFile) });
  closers.add("gateway connections", async () => {
    gate.close();
  });
  return gate;
}

async function readCa(path: string): Promise<string> {
  const text = await readNamedFile("agent.gateway.caFile", path);
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new HoldfastError("CONFIG_INVALID", `agent.gateway.caFile: ${path} holds no certificate.`, { hint: "Give certificates as PEM." });
}
