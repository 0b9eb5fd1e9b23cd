import { stringify } from "yaml";
import { NOT_KEPT } from "./config.ts";

export interface RecoveredPlaces {
  readonly stateDir: string;
  /** Absolute path of the identity that opened the state. */
  readonly identityPath: string;
  /** The repository that was recovered from: its name, and where it is reached now. */
  readonly repository: { readonly name: string; readonly kind: string; readonly options: Record<string, unknown> };
  /** When the configuration was kept, and when this file is written. */
  readonly keptAt: string;
  readonly at: string;
}

type Group = Readonly<Record<string, unknown>>;

/**
 * The configuration of a server that is gone as a file for this machine: the places that are new here put in, a comment
 * with what a person has to complete. What was only right on the old machine stays as it was.
 */
export function recoveredConfig(kept: Group, places: RecoveredPlaces): string {
  const keys = groupOf(kept["keys"]);
  const { name, kind, options } = places.repository;
  // The identity lies here now, and two places for identities are one too many.
  const { keyholder, ...others } = kept;
  const config = {
    ...others,
    stateDir: places.stateDir,
    keys: { ...keys, identities: [places.identityPath] },
    repositories: { ...groupOf(kept["repositories"]), [name]: { kind, options } },
  };
  return `${comment(kept, places, keyholder)}${stringify(config, { lineWidth: 0 })}`;
}

function comment(kept: Group, places: RecoveredPlaces, keyholder: unknown): string {
  const missing = pathsOf(kept, []).filter(({ value }) => value === NOT_KEPT).map(({ path }) => path);
  const others = Object.keys(groupOf(kept["repositories"])).filter((name) => name !== places.repository.name);
  const lines = [
    `Recovered at ${places.at} from the configuration kept at ${places.keptAt}. Look through all of it: hosts, sockets, paths`,
    "and accounts are those of the machine that is gone. Holdfast is frozen until `holdfast thaw`.",
    ...(missing.length === 0 ? [] : ["To be completed, because secrets are never kept:", ...missing.map((path) => `  ${path}`)]),
    "Files named by `passwordFile` and the like are not kept either.",
    ...(others.length === 0 ? [] : [`Not read yet: the repositories ${others.join(", ")}. When they can be reached, run \`holdfast catalog rebuild\`.`]),
    ...(keyholder === undefined ? [] : [`The old server asked a keyholder (${pathsOf(keyholder, []).map(({ path, value }) => `${path}: ${value}`).join(", ")}): name one again in the place of keys.identities when it runs.`]),
    `Identity files on the old machine: ${pathsOf(groupOf(kept["keys"])["identities"], []).map(({ value }) => value).join(", ") || "none"}.`,
  ];
  return lines.map((line) => `# ${line.replaceAll(/[\r\n]/g, " ")}\n`).join("");
}

function pathsOf(value: unknown, path: readonly string[]): { path: string; value: string }[] {
  if (typeof value === "string") return [{ path: path.join("."), value }];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => pathsOf(member, [...path, key]));
}

function groupOf(value: unknown): Group {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Group) : {};
}
