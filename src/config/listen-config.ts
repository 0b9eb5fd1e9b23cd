import { z } from "zod";
import { parseAddress } from "../lib/address.ts";
import { isLoopback } from "../lib/loopback.ts";

/** Where the API listens besides its Unix socket. */
export const listenSchema = z.strictObject({
  address: z
    .string()
    .refine((text) => parseAddress(text) !== null, "is not an address with a port; write it like 0.0.0.0:7443 or [::]:7443")
    .describe("Host or address and port, for example `0.0.0.0:7443`. The Unix socket is served all the same."),
  tls: z
    .strictObject({
      certificate: z.string().min(1).meta({ path: true }).describe("PEM file with the certificate and, below it, those that vouch for it."),
      key: z.string().min(1).meta({ path: true }).describe("PEM file with its private key."),
    })
    .optional()
    .describe("Without it Holdfast makes a certificate of its own the first time, and prints its fingerprint, by which clients know it."),
  names: z.array(z.string().min(1).max(253)).default([]).describe("Names and addresses that the self-made certificate is for, besides this host's own; clients that pin the fingerprint do not look at them."),
  withoutTls: z
    .enum(["never", "on-loopback", "even-beyond-loopback"])
    .default("never")
    .describe("Speaks plain HTTP. Beyond loopback everybody on the way reads every token: only behind something that does TLS itself."),
  requestsPerS: z.number().int().min(1).max(100_000).default(100).describe("Requests a second that each token may send; ten seconds' worth may come at once."),
});
export type ListenConfig = z.infer<typeof listenSchema>;

/** Whether this asks for what it must ask for more loudly. */
export function listensOpenly(listen: Pick<ListenConfig, "address" | "withoutTls">): boolean {
  const address = parseAddress(listen.address);
  return listen.withoutTls !== "never" && address !== null && !isLoopback(address.host);
}
