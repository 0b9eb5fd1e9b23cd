import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { sandboxUserFrom } from "./accounts.ts";
import { checkIdentities } from "./check-keys.ts";
import { loadConfig } from "./config/config-file.ts";
import type { Config } from "./config/config.ts";
import { asHoldfastError } from "./lib/errors.ts";
import type { Diagnosis } from "./model/api/system.ts";

/** What can be tried without a server: the configuration itself, its places and its keys. */
export async function diagnoseHere(configPath: string, env: Readonly<Record<string, string | undefined>>): Promise<Diagnosis[]> {
  let config: Config;
  try {
    config = await loadConfig(configPath, env);
  } catch (error) {
    const { message, hint } = asHoldfastError(error);
    return [{ subject: "configuration", status: "error", message, remedy: hint }];
  }
  const names = (noun: string, group: object): string => `${noun} ${Object.keys(group).join(", ") || "none"}`;
  const message = `${config.sourceName} holds ${[names("repositories:", config.repositories), names("policies:", config.policies), names("instances:", config.instances)].join("; ")}`;
  return [
    { subject: "configuration", status: "ok", message, remedy: null },
    await diagnoseStateDir(config.stateDir),
    await diagnoseSandboxUser(config),
    ...(await checkIdentities(config, config.keys.identities)),
  ];
}

async function diagnoseStateDir(stateDir: string): Promise<Diagnosis> {
  const subject = "state directory";
  const place = await nearestExisting(stateDir);
  try {
    await access(place, constants.W_OK | constants.X_OK);
    return { subject, status: "ok", message: place === stateDir ? `${stateDir} can be written` : `${stateDir} can be made`, remedy: null };
  } catch {
    return { subject, status: "error", message: `this user may not write to ${place}`, remedy: `Give the user Holdfast runs as the right to write there, or set stateDir to another place.` };
  }
}

async function nearestExisting(path: string): Promise<string> {
  try {
    await stat(path);
    return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || path === dirname(path)) return path;
    return nearestExisting(dirname(path));
  }
}

async function diagnoseSandboxUser(config: Config): Promise<Diagnosis> {
  const subject = "sandbox account";
  try {
    const account = await sandboxUserFrom(config.agent.sandboxUser);
    if (account !== undefined) return { subject, status: "ok", message: `throwaway servers run as ${account.user}`, remedy: null };
    if (process.getuid?.() !== 0) return { subject, status: "ok", message: "throwaway servers run as this user, without rights of another", remedy: null };
    return { subject, status: "error", message: "there is no account for throwaway servers, which do not run as root", remedy: "Create one (useradd --system holdfast) and set agent.sandboxUser." };
  } catch (error) {
    const { message, hint } = asHoldfastError(error);
    return { subject, status: "error", message, remedy: hint };
  }
}
