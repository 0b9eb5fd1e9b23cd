import { open } from "node:fs/promises";
import { join } from "node:path";
import { type MysqlConnection, resolvePassword } from "./options.ts";

/**
 * Writes an option file that only its owner can read, for `--defaults-file=` as a tool's first argument: credentials
 * never stand on a command line or in an environment. Gives its path. `dir` must be private to the attempt.
 */
export async function writeDefaultsFile(dir: string, connection: MysqlConnection, name = "client.cnf"): Promise<string> {
  const password = await resolvePassword(connection);
  const options: Record<string, string> = {
    user: connection.user,
    ...(password === undefined ? {} : { password }),
    ...(connection.socket === undefined
      ? { host: connection.host ?? "localhost", port: String(connection.port ?? 3306), protocol: "tcp" }
      : { socket: connection.socket, protocol: "socket" }),
  };
  const path = join(dir, name);
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(optionFile("client", options), "utf8");
  } finally {
    await file.close();
  }
  return path;
}

/** One group of an option file. */
export function optionFile(group: string, options: Readonly<Record<string, string>>): string {
  const lines = Object.entries(options).map(([name, value]) => `${name}=${quoteOption(value)}`);
  return `[${group}]\n${lines.join("\n")}\n`;
}

/**
 * A value as MariaDB's option files read it: in double quotes, with the escapes of "Configuring MariaDB with Option
 * Files" (\b \t \n \r \\ \s). Quotes keep `#` and blanks; a quote inside is escaped.
 */
export function quoteOption(value: string): string {
  const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\r": "\\r" };
  return `"${value.replace(/[\\"\b\t\n\r]/g, (character) => escapes[character] ?? character)}"`;
}
