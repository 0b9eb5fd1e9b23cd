import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { type Clock, isoTime } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import { createPrivateFile, readPrivateFile } from "../lib/private-file.ts";

/** An age key pair. `identity` is the secret: never log it, never send it. */
export interface KeyPair {
  readonly identity: string;
  readonly recipient: string;
}

export async function generateKeyPair(): Promise<KeyPair> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** The file that `age-keygen` would write, so that `age -d -i` takes it. */
export function identityFileText(pair: KeyPair, clock: Clock): string {
  return `# created: ${isoTime(clock.nowMs())}\n# public key: ${pair.recipient}\n${pair.identity}\n`;
}

/**
 * Writes a new identity file, readable by its owner alone, and makes sure that it is on disk. Throws REFUSED when
 * anything is there already: an identity that is overwritten makes its backups unreadable for ever.
 */
export async function writeIdentityFile(path: string, pair: KeyPair, clock: Clock): Promise<void> {
  await createPrivateFile(path, identityFileText(pair, clock), "an identity");
}

/**
 * Reads the pairs of an identity file. Throws KEY_MISSING when there is no such file or no identity in it, REFUSED when
 * others than its owner can read or change it, FORMAT_INVALID naming the line that is not an identity (never its content).
 */
export async function readIdentityFile(path: string): Promise<KeyPair[]> {
  const text = await readPrivateFile(path, "identity").catch((cause: unknown) => {
    throw cause instanceof HoldfastError ? cause : unreadable(path, cause);
  });
  return parseIdentities(path, text);
}

function unreadable(path: string, cause: unknown): HoldfastError {
  if (codeOf(cause) === "ENOENT") {
    const hint = "Put the identity back there, or name the file it is in under keys.identities. If it is lost, the escrow identity opens the same backups.";
    return new HoldfastError("KEY_MISSING", `The identity file ${path} does not exist.`, { cause, hint });
  }
  return new HoldfastError("KEY_MISSING", `The identity file ${path} cannot be read: ${messageOf(cause)}.`, { cause, hint: "It must be a file that the user Holdfast runs as owns and can read." });
}

/** The pairs in the text of an identity file; throws as `readIdentityFile` does. */
export async function parseIdentities(path: string, text: string): Promise<KeyPair[]> {
  const pairs: KeyPair[] = [];
  for (const [index, rawLine] of text.split("\n").entries()) {
    const identity = rawLine.trim();
    if (identity === "" || identity.startsWith("#")) continue;
    const recipient = await identityToRecipient(identity).catch(() => {
      // Without a cause: the library's message could hold the secret.
      throw new HoldfastError("FORMAT_INVALID", `Line ${index + 1} of the identity file ${path} is not an age identity.`, {
        hint: "Each line is a comment that begins with # or an identity that begins with AGE-SECRET-KEY-1.",
      });
    });
    pairs.push({ identity, recipient });
  }
  if (pairs.length === 0) throw new HoldfastError("KEY_MISSING", `The identity file ${path} holds no identity.`);
  return pairs;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
