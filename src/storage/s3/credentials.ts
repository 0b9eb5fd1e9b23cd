import { readFile } from "node:fs/promises";
import { HoldfastError } from "../../lib/errors.ts";
import type { S3Options } from "./options.ts";

/** How the configured key pair is read when it is first needed; undefined leaves it to the environment and the machine's role. */
export function credentialsFrom(options: S3Options, env: Readonly<Record<string, string | undefined>> = process.env): (() => Promise<{ accessKeyId: string; secretAccessKey: string }>) | undefined {
  const { accessKeyId } = options;
  if (accessKeyId === undefined) return undefined;
  return async () => ({ accessKeyId, secretAccessKey: await secretOf(options, env) });
}

async function secretOf(options: S3Options, env: Readonly<Record<string, string | undefined>>): Promise<string> {
  if (options.secretAccessKey !== undefined) return options.secretAccessKey;
  if (options.secretAccessKeyEnv !== undefined) return fromEnvironment(options.secretAccessKeyEnv, env);
  return fromFile(options.secretAccessKeyFile ?? "");
}

function fromEnvironment(name: string, env: Readonly<Record<string, string | undefined>>): string {
  const secret = env[name];
  if (secret !== undefined && secret !== "") return secret;
  throw new HoldfastError("CONFIG_INVALID", `The environment variable ${name}, which should hold the secret access key, is not set.`, { hint: `Set ${name} in the environment Holdfast is started with.` });
}

async function fromFile(path: string): Promise<string> {
  try {
    // Editors end a file with a newline that is no part of the secret.
    return (await readFile(path, "utf8")).replace(/\r?\n[\s\S]*$/, "");
  } catch (cause) {
    throw new HoldfastError("CONFIG_INVALID", `The file ${path}, which should hold the secret access key, cannot be read.`, { cause, hint: `Create ${path} and make it readable for the user Holdfast runs as.` });
  }
}
