import { HoldfastError } from "../lib/errors.ts";
import type { Sealing } from "../model/job.ts";
import type { Policy } from "../model/policy.ts";
import type { SignedRecipients } from "../model/signed-recipients.ts";

export interface SealingPorts {
  /** The server's own age recipient: it opens indexes, never data. */
  readonly metadataRecipient: string;
  /** What the organisation's key has signed, as the present configuration names it; undefined where it names nothing. */
  readonly signedRecipients?: (() => SignedRecipients | undefined) | undefined;
}

/** To whom an order seals: as the policy says now. CONFIG_INVALID when it says nothing. */
export function sealingOf(ports: SealingPorts, { name, spec }: { name: string; spec: Policy }): Sealing {
  const { recipients, compressionLevel } = spec;
  if (recipients === undefined || recipients.length === 0) {
    throw new HoldfastError("CONFIG_INVALID", `Policy ${name} has no recipients, so nothing can be encrypted.`, { hint: "Name them in `keys.recipients` and run `holdfast apply`." });
  }
  const signed = ports.signedRecipients?.();
  return { recipients, metadataRecipient: ports.metadataRecipient, compressionLevel, ...(signed === undefined ? {} : { signed }) };
}
