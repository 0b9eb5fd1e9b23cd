import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "../client/client.ts";
import { HoldfastError } from "../lib/errors.ts";
import { holdfastOf } from "./holdfast.ts";
import { runDemo } from "./run-demo.ts";
import { startSource } from "./source-server.ts";
import { Story } from "./story.ts";

/** What the demo needs from the program around it. */
export interface DemoHost {
  print(line: string): void;
  nowMs(): number;
  /** Makes a pair of keys at this path and gives the recipient. */
  makeKey(path: string): Promise<string>;
  /** Starts the same thing as `holdfast up` on this configuration text. */
  startUp(yaml: string, sourceName: string): Promise<{ client: Client; stop(): Promise<void> }>;
}

export interface DemoOptions {
  readonly keep: boolean;
  readonly sizeMb: number;
  readonly signal: AbortSignal;
}

/** The whole demo in a temporary directory; nothing is left unless `keep` asks for it. */
export async function demo(host: DemoHost, options: DemoOptions): Promise<{ rootDir: string }> {
  const rootDir = await mkdtemp(join(tmpdir(), "hf-"));
  const story = new Story(
    (line) => {
      host.print(line);
    },
    () => host.nowMs(),
  );
  const stops: (() => Promise<void>)[] = [];
  try {
    const recipients = [await host.makeKey(join(rootDir, "daily.key")), await host.makeKey(join(rootDir, "escrow.key"))];
    const source = await startSource(rootDir);
    stops.push(() => source.stop());
    const repositoryPath = join(rootDir, "repository");
    const configPath = join(rootDir, "holdfast.yaml");
    const yaml = configuration({ rootDir, repositoryPath, recipients, socket: source.socket });
    await writeFile(configPath, yaml);
    const up = await host.startUp(yaml, configPath);
    stops.push(() => up.stop());
    const holdfast = holdfastOf(up.client, { instance: "shop", repositoryPath, signal: options.signal });
    await runDemo({ rootDir, source, holdfast, story, sizeMb: options.sizeMb, keep: options.keep, signal: options.signal });
  } catch (error) {
    throw error instanceof HoldfastError ? error : new HoldfastError("INTERNAL", `The demo failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    for (const stop of stops.toReversed()) await stop();
    if (!options.keep) await rm(rootDir, { recursive: true, force: true });
  }
  return { rootDir };
}

function configuration(demo: { rootDir: string; repositoryPath: string; recipients: readonly string[]; socket: string }): string {
  return `# The configuration of the demo; a real one looks the same.
stateDir: ${demo.rootDir}/state
keys:
  recipients: [${demo.recipients.join(", ")}]
  identities: [${demo.rootDir}/daily.key]
repositories:
  main: { kind: local, options: { path: ${demo.repositoryPath} } }
policies:
  daily:
    repository: main
    full: { cron: "0 2 * * 0" }
    incremental: { cron: "0 2 * * 1-6" }
    logs: { shipEvery: 1s }
    verification: { tier: T4, schedule: { cron: "0 6 * * *" } }
instances:
  shop:
    engine: mysql
    policy: daily
    timeZone: Europe/Berlin
    owner: shop-team
    connection: { socket: ${demo.socket}, user: root }
`;
}
