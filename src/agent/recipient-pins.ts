import { createHash } from "node:crypto";
import { canonicalJson } from "../lib/canonical-json.ts";
import { type HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { verifySigned } from "../lib/signing.ts";
import type { Sealing } from "../model/job.ts";
import { RECIPIENTS_KIND, type RecipientList } from "../model/signed-recipients.ts";

/** Which list an agent has seen last, and of whom. */
export interface SeenList {
  readonly organisationKey: string;
  readonly serial: number;
  readonly sha256: string;
}

/** Keeps what was seen, so that a restart does not forget it. */
export interface SeenLists {
  /** Null when nothing was seen yet. */
  read(): Promise<SeenList | null>;
  /** Durable once it resolves. */
  write(seen: SeenList): Promise<void>;
}

/** To whom a machine lets be sealed: refuses with AGENT_REFUSED what its file does not permit. */
export type PermitRecipients = (sealing: Sealing, refuse: (why: string, value: string) => HoldfastError) => Promise<void>;

/** Exactly the recipients of the machine's own file. */
export function permitListed(recipients: readonly string[]): PermitRecipients {
  return async (sealing, refuse) => requireExactly(sealing.recipients, recipients, { words: "its file", refuse });
}

/**
 * Exactly the recipients that the organisation's key has signed, by a list no older than the newest that this machine has
 * seen. What is newer is remembered before the order is carried out.
 */
export function permitSigned(organisationKey: string, lists: SeenLists): PermitRecipients {
  let last: Promise<unknown> = Promise.resolve();
  return (sealing, refuse) => {
    // One after the other: of two orders at once, the older list must not be written behind the newer.
    const checked = last.then(() => permitBySignature(sealing, { organisationKey, lists, refuse }));
    last = checked.catch(() => undefined);
    return checked;
  };
}

interface Signing {
  readonly organisationKey: string;
  readonly lists: SeenLists;
  readonly refuse: (why: string, value: string) => HoldfastError;
}

async function permitBySignature(sealing: Sealing, { organisationKey, lists, refuse }: Signing): Promise<void> {
  const list = verifiedList(sealing, organisationKey, refuse);
  const kept = await lists.read();
  const seen = kept?.organisationKey === organisationKey ? kept : null;
  const sha256 = createHash("sha256").update(canonicalJson(list)).digest("hex");
  const serial = String(list.serial);
  if (seen !== null && list.serial < seen.serial) throw refuse(`its signed list of recipients has the serial ${serial}, and one with ${String(seen.serial)} was seen here before`, serial);
  if (seen?.serial === list.serial && seen.sha256 !== sha256) throw refuse(`its signed list of recipients is another than the one with the same serial ${serial} that was seen here before`, serial);
  requireExactly(sealing.recipients, list.recipients, { words: "the list that the organisation's key has signed", refuse });
  if (seen?.serial !== list.serial) await lists.write({ organisationKey, serial: list.serial, sha256 });
}

function verifiedList({ signed }: Sealing, organisationKey: string, refuse: Signing["refuse"]): RecipientList {
  if (signed === undefined) throw refuse("it carries no list of recipients with the signature of the organisation's key, which its file demands", "signed");
  try {
    return verifySigned(signed, { kind: RECIPIENTS_KIND, publicKey: organisationKey, name: "the list of recipients" });
  } catch (error) {
    if (!isHoldfastError(error, "SIGNATURE_INVALID")) throw error;
    throw refuse("its list of recipients is not signed by the organisation's key that its file pins", signed.signature.key);
  }
}

function requireExactly(ordered: readonly string[], permitted: readonly string[], { words, refuse }: { words: string; refuse: Signing["refuse"] }): void {
  const foreign = ordered.find((recipient) => !permitted.includes(recipient));
  if (foreign !== undefined) throw refuse(`${words} does not name the recipient ${foreign}`, foreign);
  const missing = permitted.find((recipient) => !ordered.includes(recipient));
  if (missing !== undefined) throw refuse(`the order leaves out the recipient ${missing}, which ${words} demands`, missing);
}
