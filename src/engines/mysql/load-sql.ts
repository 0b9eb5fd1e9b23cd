import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { asHoldfastError, HoldfastError } from "../../lib/errors.ts";
import { requireSuccess, startTool } from "../../lib/process.ts";
import type { EngineContext } from "../engine.ts";
import { quoteId, withConnection } from "./connect.ts";
import { writeDefaultsFile } from "./defaults-file.ts";
import { mysqlConnection } from "./options.ts";
import { toolFile } from "./tools.ts";

/**
 * Loads an SQL file into another server with the `mariadb` client, which runs no client commands (`--binary-mode`).
 * The schema is made when it is missing. Stops at the first statement that fails: TOOL_FAILED with the server's words;
 * what came before it stays.
 */
export async function loadSql(context: EngineContext, target: { connection: unknown; schema: string }, sqlPath: string, signal: AbortSignal): Promise<void> {
  const connection = mysqlConnection(target.connection);
  await withConnection(
    connection,
    async (session) => {
      const found = await session.row("SELECT 1 AS found FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", [target.schema]);
      if (found === null) await session.run(`CREATE DATABASE IF NOT EXISTS ${quoteId(target.schema)}`);
    },
    { signal },
  );
  const privateDir = await mkdtemp(join(context.scratchDir, "load"));
  try {
    await runClient({ defaultsFile: await writeDefaultsFile(privateDir, connection), schema: target.schema, sqlPath, signal });
  } finally {
    await rm(privateDir, { recursive: true, force: true });
  }
}

interface ClientRun {
  readonly defaultsFile: string;
  readonly schema: string;
  readonly sqlPath: string;
  readonly signal: AbortSignal;
}

async function runClient({ defaultsFile, schema, sqlPath, signal }: ClientRun): Promise<void> {
  const tool = startTool({
    file: await toolFile("mariadb"),
    args: [`--defaults-file=${defaultsFile}`, "--batch", "--binary-mode", "--default-character-set=utf8mb4", "--max-allowed-packet=1G", `--database=${schema}`],
    stdin: "pipe",
    stdout: "ignore",
    signal,
  });
  const fault = await pipeline(createReadStream(sqlPath), tool.stdin, { signal }).then(
    () => undefined,
    (error: unknown) => asHoldfastError(error),
  );
  // A client that stopped at an error closes the pipe on us; anything else would leave it waiting for more.
  if (fault !== undefined) tool.kill("SIGTERM");
  const exit = await tool.exited;
  requireSuccess(tool, exit, signal);
  if (fault !== undefined) throw new HoldfastError("TOOL_FAILED", `${sqlPath} could not be read to its end while it was loaded: ${fault.message}`, { cause: fault });
}
