import { readFile } from "node:fs/promises";
import { z } from "zod";
import { HoldfastError } from "../../lib/errors.ts";

/** How Holdfast reaches a MariaDB or MySQL server: over TCP or a socket, with at most one source of the password. */
export const mysqlOptionsSchema = z
  .strictObject({
    host: z.string().min(1).optional().describe("Host name or address; not together with `socket`."),
    port: z.number().int().min(1).max(65_535).optional().describe("TCP port; 3306 unless told."),
    socket: z.string().startsWith("/").optional().describe("Path of the server's Unix socket; not together with `host`."),
    user: z.string().min(1).describe("Account in the server."),
    password: z.string().optional().meta({ secret: true }).describe("The password itself; a file or variable is safer."),
    passwordFile: z.string().startsWith("/").optional().describe("File whose first line is the password."),
    passwordEnv: z.string().min(1).optional().describe("Environment variable that holds the password."),
    dataDirectory: z.string().startsWith("/").optional().describe("Where the server's data lies as seen from here; the server is asked unless told."),
  })
  .superRefine((options, issues) => {
    for (const message of faultsOf(options)) issues.addIssue({ code: "custom", message });
  });
export type MysqlConnection = z.infer<typeof mysqlOptionsSchema>;

function faultsOf(options: { host?: string | undefined; port?: number | undefined; socket?: string | undefined } & PasswordSources): string[] {
  const faults: string[] = [];
  const passwords = [options.password, options.passwordFile, options.passwordEnv].filter((source) => source !== undefined).length;
  if ((options.host === undefined) === (options.socket === undefined)) faults.push("give either `host` (with `port`) or `socket`, not both and not neither");
  if (options.socket !== undefined && options.port !== undefined) faults.push("`port` has no meaning together with `socket`");
  if (passwords > 1) faults.push("give only one of `password`, `passwordFile` and `passwordEnv`");
  if (passwords === 0 && options.socket === undefined) faults.push("give one of `password`, `passwordFile` and `passwordEnv`; only a socket login can do without");
  return faults;
}

interface PasswordSources {
  readonly password?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly passwordEnv?: string | undefined;
}

/** The checked form of an instance's `connection`; CONFIG_INVALID names every fault, never a value. */
export function mysqlConnection(connection: unknown): MysqlConnection {
  const parsed = mysqlOptionsSchema.safeParse(connection);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${["connection", ...issue.path].join(".")}: ${issue.message}`);
  throw new HoldfastError("CONFIG_INVALID", `The connection of a mysql instance is wrong: ${faults.join("; ")}.`, { cause: parsed.error });
}

/** The password, read when it is needed and never kept; undefined for a login without one. CONFIG_INVALID when its source cannot be read. */
export async function resolvePassword(
  connection: PasswordSources,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string | undefined> {
  if (connection.password !== undefined) return connection.password;
  if (connection.passwordEnv !== undefined) return fromEnvironment(connection.passwordEnv, env);
  if (connection.passwordFile !== undefined) return fromFile(connection.passwordFile);
  return undefined;
}

function fromEnvironment(name: string, env: Readonly<Record<string, string | undefined>>): string {
  const password = env[name];
  if (password === undefined) {
    throw new HoldfastError("CONFIG_INVALID", `The environment variable ${name}, which should hold the database password, is not set.`, {
      hint: `Set ${name} in the environment Holdfast is started with.`,
    });
  }
  return password;
}

async function fromFile(path: string): Promise<string> {
  try {
    // Editors end a file with a newline that is no part of the password.
    return (await readFile(path, "utf8")).replace(/\r?\n[\s\S]*$/, "");
  } catch (cause) {
    throw new HoldfastError("CONFIG_INVALID", `The password file ${path} cannot be read.`, { cause, hint: `Create ${path} and make it readable for the user Holdfast runs as.` });
  }
}
