import { homedir } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { readFileSync, statSync } from "node:fs";
import { z } from "zod";
import type { Way } from "./cli/command.ts";
import type { RemoteServer } from "./client/index.ts";
import { readTextFile } from "./config/config-file.ts";
import { readConfigSource } from "./config/config-source.ts";
import { HoldfastError } from "./lib/errors.ts";
import { closestName, schemaFaults } from "./lib/schema-faults.ts";
import { readToken } from "./lib/token-text.ts";
import { nameSchema } from "./model/scalars.ts";

const profileSchema = z.strictObject({
  server: z.string().min(1),
  /** Relative paths count from the profiles file. */
  tokenFile: z.string().min(1),
  fingerprint: z.string().min(1).optional(),
});
const profilesSchema = z.strictObject({ profiles: z.record(nameSchema, profileSchema) });

const FLAGS = { server: "--server", tokenFile: "--token-file", serverFingerprint: "--server-fingerprint" } as const;

/** Where a person's profiles lie. */
export function profilesPath(env: Readonly<Record<string, string | undefined>>): string {
  return join(env["XDG_CONFIG_HOME"] || join(homedir(), ".config"), "holdfast", "profiles.yaml");
}

/** The server that the command line names, by address or by profile; null for the one on this machine. */
export async function remoteServer(way: Way, env: Readonly<Record<string, string | undefined>>): Promise<RemoteServer | null> {
  const profile = way.profile ?? (way.server === undefined ? env["HOLDFAST_PROFILE"] || undefined : undefined);
  if (profile !== undefined) {
    const named = (["server", "tokenFile", "serverFingerprint"] as const).find((option) => way[option] !== undefined);
    if (named !== undefined) throw new HoldfastError("USAGE", `The profile ${profile} names the server already; leave out ${FLAGS[named]} or --profile.`);
    const found = await readProfile(profile, profilesPath(env));
    return { url: found.server, fingerprint: checkedFingerprint(found.fingerprint), token: tokenFrom(found.tokenFile) };
  }
  if (way.server === undefined) {
    if (way.tokenFile !== undefined || way.serverFingerprint !== undefined) throw new HoldfastError("USAGE", "--token-file and --server-fingerprint belong to a server; name it with --server.");
    return null;
  }
  if (way.tokenFile === undefined) throw new HoldfastError("USAGE", `The server ${way.server} wants a token; name the file that holds it with --token-file.`);
  return { url: way.server, fingerprint: checkedFingerprint(way.serverFingerprint), token: tokenFrom(resolve(way.tokenFile)) };
}

async function readProfile(name: string, path: string): Promise<z.infer<typeof profileSchema>> {
  const source = readConfigSource(await readTextFile(path));
  const faults = source.syntaxFaults.map(({ line, message }) => `${path}:${String(line)}: ${message}`);
  const parsed = profilesSchema.safeParse(source.value);
  if (!parsed.success) faults.push(...schemaFaults(parsed.error, profilesSchema, source.value).map((fault) => `${path}:${String(source.lineOf(fault.path))}: ${fault.field}: ${fault.message}`));
  if (faults.length > 0) throw new HoldfastError("CONFIG_INVALID", faults.join("\n"), { details: { faults } });
  const { profiles } = profilesSchema.parse(source.value);
  const profile = profiles[name];
  if (profile !== undefined) return { ...profile, tokenFile: isAbsolute(profile.tokenFile) ? profile.tokenFile : join(dirname(path), profile.tokenFile) };
  const closest = closestName(name, Object.keys(profiles));
  throw new HoldfastError("USAGE", `${path} has no profile ${JSON.stringify(name)}.`, { hint: closest === null ? `It has ${Object.keys(profiles).join(", ") || "none"}.` : `Did you mean ${closest}?` });
}

/** Of the certificate, in the forms that people copy; USAGE for anything else. */
export function checkedFingerprint(text: string | undefined): string | undefined {
  if (text === undefined || /^(?:[0-9a-f]{2}:?){31}[0-9a-f]{2}$/i.test(text)) return text;
  throw new HoldfastError("USAGE", `${JSON.stringify(text)} is not the SHA-256 fingerprint of a certificate: 64 digits of 0-9 and a-f, with or without colons.`);
}

/** Reads the token when a request is sent: a rotated one is taken up. A file that others may read is refused: then it is no secret. */
export function tokenFrom(path: string): () => string {
  return () => {
    try {
      const { mode } = statSync(path);
      if ((mode & 0o077) !== 0) throw new HoldfastError("CONFIG_INVALID", `Others than its owner may read the token in ${path}.`, { hint: `Run \`chmod 600 ${path}\`; if somebody may have read it, revoke the token and make a new one.` });
      const text = readFileSync(path, "utf8").trim();
      if (readToken(text) !== null) return text;
    } catch (cause) {
      if (cause instanceof HoldfastError) throw cause;
      throw new HoldfastError("CONFIG_INVALID", `The token file ${path} cannot be read: ${(cause as Error).message}.`, { cause, hint: "Name the file that holds your token." });
    }
    throw new HoldfastError("CONFIG_INVALID", `${path} holds no token of Holdfast: one line that begins with hfa_.`, { hint: "An administrator makes one with `holdfast token create`." });
  };
}
