/**
 * Writes the documents that are made from code. `--check` writes nothing and fails, naming each one that is stale.
 * To add one: a function that returns its text, and one line in GENERATED.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { cliPage } from "./generate/cli-page.ts";
import { agentSchema, configSchema, gatewaySchema, keyholderSchema } from "./generate/config-schema.ts";
import { agentPage, configurationPage, gatewayPage, keysPage } from "./generate/configuration-page.ts";
import { errorsPage } from "./generate/errors-page.ts";
import { openApi } from "./generate/openapi.ts";

const ROOT = resolve(import.meta.dirname, "..");

/** Path from the root of the repository, and what belongs there. */
const GENERATED: Readonly<Record<string, () => string | Promise<string>>> = {
  "docs/agent.md": agentPage,
  "docs/agent.schema.json": agentSchema,
  "docs/cli.md": cliPage,
  "docs/config.schema.json": configSchema,
  "docs/configuration.md": configurationPage,
  "docs/errors.md": errorsPage,
  "docs/gateway.md": gatewayPage,
  "docs/gateway.schema.json": gatewaySchema,
  "docs/openapi.json": openApi,
  "docs/keyholder.schema.json": keyholderSchema,
  "docs/keys.md": keysPage,
};

async function isStale(path: string, text: string): Promise<boolean> {
  try {
    return (await readFile(join(ROOT, path), "utf8")) !== text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
    throw error;
  }
}

async function main(check: boolean): Promise<void> {
  for (const [path, make] of Object.entries(GENERATED)) {
    const text = await make();
    if (!(await isStale(path, text))) continue;
    if (check) {
      process.stderr.write(`${path} is stale; run \`npm run generate\` and commit it.\n`);
      process.exitCode = 1;
    } else {
      await mkdir(dirname(join(ROOT, path)), { recursive: true });
      await writeFile(join(ROOT, path), text);
      process.stdout.write(`wrote ${path}\n`);
    }
  }
}

await main(process.argv.includes("--check"));
