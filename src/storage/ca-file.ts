import { HoldfastError } from "../lib/errors.ts";
import { readNamedFile } from "../lib/named-file.ts";

/** The certificates (PEM) of a file that the configuration names in `field`; CONFIG_INVALID when it cannot be read or holds none. */
export async function readCaFile(field: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const text = await readNamedFile(field, path);
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new HoldfastError("CONFIG_INVALID", `${field}: ${path} holds no certificate.`, { hint: "Give certificates as PEM." });
}
