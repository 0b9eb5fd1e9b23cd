import { z } from "zod";
import { isLoopback } from "../lib/loopback.ts";
import { readCaFile } from "./ca-file.ts";
import type { GateElsewhere } from "./gate.ts";
import { remoteGate } from "./remote-gate.ts";

/** Where an agent's objects go in and out instead of through its own process. */
export interface GatewayPlace {
  readonly url: string;
  /** Absolute. */
  readonly caFile?: string | undefined;
}

/** A gateway, as configurations name it. */
export const gatewayPlaceSchema = z.strictObject({
  url: z
    .string()
    .refine(isGatewayUrl, { error: "is not the address of a gateway; write https://<host>:<port>", abort: true })
    .refine(isSafe, "is without TLS and leads to another machine: whoever sees a grant on its way could use it; write https://")
    .describe("Where `holdfast gateway` listens."),
  caFile: z.string().min(1).meta({ path: true }).optional().describe("Certificates (PEM) of the authority that signed the gateway's; those that the system believes unless told."),
});

function isGatewayUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.pathname === "/" && [url.search, url.hash, url.username, url.password].every((part) => part === "");
}

function isSafe(text: string): boolean {
  const { protocol, hostname } = new URL(text);
  return protocol === "https:" || isLoopback(hostname);
}

/** Nothing is asked yet. `field` names the place in the configuration; CONFIG_INVALID when its file cannot be used. */
export async function openGateway({ url, caFile }: GatewayPlace, field: string): Promise<GateElsewhere> {
  return remoteGate({ url, ca: await readCaFile(`${field}.caFile`, caFile) });
}
