import { chown, open, readFile, realpath, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type Document, isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { type Config, parseConfig } from "./config/config.ts";
import { heldRecipients } from "./keys/file-keyholder.ts";
import { parseRecipient } from "./keys/recipients.ts";
import { remoteKeyholder } from "./keys/remote-keyholder.ts";
import { asHoldfastError, HoldfastError } from "./lib/errors.ts";
import { syncFolder } from "./lib/folders.ts";
import type { Diagnosis } from "./model/api/system.ts";

/** Where a configuration names a recipient. */
export interface RecipientPlace {
  readonly field: string;
  readonly line: number;
}

export interface Rotation {
  readonly places: RecipientPlace[];
  readonly isWritten: boolean;
  readonly diagnoses: Diagnosis[];
}

/**
 * Puts one recipient in the place of another wherever a configuration file names it, and touches nothing else of the
 * file. Written only when asked to, and only when what comes out is a good configuration. NOT_FOUND when the old one is
 * not named.
 */
export async function rotateRecipient(options: { configPath: string; env: Readonly<Record<string, string | undefined>>; from: string; to: string; isToBeWritten: boolean }): Promise<Rotation> {
  const { configPath, env, isToBeWritten } = options;
  const path = await realpath(configPath).catch((cause: unknown) => {
    throw new HoldfastError("CONFIG_INVALID", `There is no file ${configPath}.`, { cause, hint: "Name the configuration with --config." });
  });
  const text = await readFile(path, "utf8");
  const config = parseConfig(text, configPath, env);
  const [from, to] = [parseRecipient(options.from), parseRecipient(options.to)];
  if (from === to) throw new HoldfastError("INPUT_INVALID", "Old and new are the same recipient.");
  const changed = replaceRecipient(text, from, to);
  if (changed.places.length === 0) throw new HoldfastError("NOT_FOUND", `${configPath} does not name the recipient ${from}.`, { hint: `It names ${config.keys.recipients.join(", ")} under keys.recipients.` });
  // Throws where the new one stands already.
  parseConfig(changed.text, configPath, env);
  const diagnoses = [await whoOpens(config, from, to)];
  if (isToBeWritten) await replaceFile(path, changed.text);
  return { places: changed.places, isWritten: isToBeWritten, diagnoses };
}

/** The text with one recipient for another in `keys.recipients` and in each policy's `recipients`; comments and form stay. */
export function replaceRecipient(text: string, from: string, to: string): { text: string; places: RecipientPlace[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const found = new Map<number, { field: string; end: number }>();
  for (const [field, list] of recipientLists(document)) {
    for (const [number, item] of list.entries()) {
      const node = isAlias(item) ? item.resolve(document) : item;
      if (!isScalar(node) || String(node.value).trim() !== from || node.range == null) continue;
      found.set(node.range[0], { field: `${field}.${String(number)}`, end: node.range[1] });
    }
  }
  const inOrder = [...found].sort(([a], [b]) => a - b);
  const changed = inOrder.reduceRight((now, [start, { end }]) => `${now.slice(0, start)}${now.slice(start, end).replace(from, to)}${now.slice(end)}`, text);
  return { text: changed, places: inOrder.map(([start, { field }]) => ({ field, line: lines.linePos(start).line })) };
}

function recipientLists(document: Document.Parsed): [field: string, list: unknown[]][] {
  const listAt = (path: readonly string[]): [string, unknown[]][] => {
    const at = document.getIn(path, true);
    const node = isAlias(at) ? at.resolve(document) : at;
    return isSeq(node) ? [[path.join("."), node.items]] : [];
  };
  const policies = document.getIn(["policies"], true);
  const names = isMap(policies) ? policies.items.flatMap((item) => (isPair(item) && isScalar(item.key) ? [String(item.key.value)] : [])) : [];
  return [...listAt(["keys", "recipients"]), ...names.flatMap((name) => listAt(["policies", name, "recipients"]))];
}

/** Whether this installation will be able to restore what is sealed from now on. */
async function whoOpens(config: Config, from: string, to: string): Promise<Diagnosis> {
  const subject = "keyholder";
  try {
    const held = config.keyholder === undefined ? await heldRecipients(config.keys.identities) : (await remoteKeyholder(config.keyholder).held()).recipients;
    if (held.includes(to)) return { subject, status: "ok", message: `it holds the identity of ${to}`, remedy: null };
    const message = `it does not hold the identity of ${to}`;
    if (!held.includes(from)) return { subject, status: "ok", message: `${message}, as it did not hold the one before: an escrow`, remedy: null };
    const where = config.keyholder === undefined ? "keys.identities" : "`identities` of the keyholder";
    return { subject, status: "warning", message: `${message}: what is sealed from now on could be neither verified nor restored here`, remedy: `Add its file to ${where}, and leave the old one there for older backups.` };
  } catch (error) {
    const { message, hint } = asHoldfastError(error);
    return { subject, status: "warning", message, remedy: hint };
  }
}

/** All or nothing, with owner and mode of the file before. */
async function replaceFile(path: string, text: string): Promise<void> {
  const { mode, uid, gid } = await stat(path);
  const temporary = `${path}.new`;
  const file = await open(temporary, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.chmod(mode & 0o7777);
    await file.sync();
  } finally {
    await file.close();
  }
  if (process.getuid?.() === 0) await chown(temporary, uid, gid);
  await rename(temporary, path);
  await syncFolder(dirname(path));
}
