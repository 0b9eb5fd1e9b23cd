import { randomBytes } from "node:crypto";
import { checkKeyholder } from "./check-keyholder.ts";
import type { Config } from "./config/config.ts";
import { readIdentityFile } from "./keys/identities.ts";
import { headerOpener } from "./keys/open-header.ts";
import { asHoldfastError } from "./lib/errors.ts";
import type { Diagnosis } from "./model/api/system.ts";
import { openBytes, sealBytes } from "./pack/seal.ts";

const PROBE_BYTES = 4096;

/** How many recipients there are, and who could open what is sealed to them. */
export function checkRecipients(config: Config): Diagnosis[] {
  const count = config.keys.recipients.length;
  const message = `backups are sealed to ${String(count)} ${count === 1 ? "recipient" : "recipients"}`;
  if (count > 1) return [{ subject: "recipients", status: "ok", message, remedy: null }];
  const remedy = "Make an escrow pair with `holdfast key ceremony`, best on a machine that is not this one, and add its recipient to keys.recipients.";
  return [{ subject: "recipients", status: "warning", message: `${message}: if its identity is lost, so is every backup`, remedy }];
}

/**
 * Proves identity files by what they are for: something new is sealed to the configured recipients, and each file must
 * open it. Nothing is believed of a file's comments.
 */
export async function checkIdentities(config: Config, paths: readonly string[]): Promise<Diagnosis[]> {
  if (paths.length === 0 && config.keyholder !== undefined) return [await checkKeyholder(config, config.keyholder)];
  if (paths.length === 0) {
    const message = "the configuration names no identity, so nothing can be restored or verified by this installation";
    return [{ subject: "keyholder", status: "warning", message, remedy: "Add the file of the daily identity to keys.identities." }];
  }
  const checked = await Promise.all(paths.map((path) => checkIdentity(config, path)));
  const canOpen = checked.some(({ diagnosis }) => diagnosis.status === "ok");
  return checked.map(({ diagnosis, isOfOthers }) => (canOpen && isOfOthers ? ofBefore(diagnosis.subject) : diagnosis));
}

/** After a rotation the identity before is still needed. */
function ofBefore(subject: string): Diagnosis {
  return { subject, status: "warning", message: "it opens nothing that is sealed now", remedy: "Keep it as long as a backup of before it was replaced is kept; if it never belonged to one, take it away." };
}

interface Checked {
  readonly diagnosis: Diagnosis;
  /** True for a good identity that belongs to none of the configured recipients. */
  readonly isOfOthers: boolean;
}

async function checkIdentity(config: Config, path: string): Promise<Checked> {
  const subject = `identity ${path}`;
  const is = (status: Diagnosis["status"], message: string, remedy: string | null, isOfOthers = false): Checked => ({ diagnosis: { subject, status, message, remedy }, isOfOthers });
  try {
    const pairs = await readIdentityFile(path);
    const plain = randomBytes(PROBE_BYTES);
    const { part, chunks } = await sealBytes(plain, { name: "probe", recipients: config.keys.recipients, compressionLevel: 1 });
    const opened = await openBytes(part, Buffer.concat(chunks), headerOpener(pairs.map(({ identity }) => identity)));
    if (!plain.equals(opened)) return is("error", "it opens what is sealed, but other bytes come out", "Run the command again on another machine; do not rely on this one.");
    const named = config.keys.recipients.filter((recipient) => pairs.some((pair) => pair.recipient === recipient));
    return is("ok", `it opens what is sealed to ${named.join(", ")}`, null);
  } catch (error) {
    const { code, message, hint } = asHoldfastError(error);
    if (code !== "KEY_WRONG") return is("error", message, hint);
    return is("error", "it opens nothing that is sealed to the configured recipients", "Add its recipient to keys.recipients, or name the identity that belongs to one of them.", true);
  }
}
