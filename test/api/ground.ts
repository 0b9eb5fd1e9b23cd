import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient, httpTransport } from "../../src/client/index.ts";
import { freePort } from "../../src/demo/free-port.ts";
import { api } from "../../src/model/api/index.ts";
import { type TokenRole, tokenRoleSchema } from "../../src/model/role.ts";
import { answersOrEnds, startProcess } from "../fixtures/fleet.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

/** A real `holdfast server` that serves its API over HTTP on loopback, with a backup, log, jobs, tokens and an agent in its catalog. */
export interface ApiGround {
  readonly url: string;
  readonly logPath: string;
  readonly tokens: Readonly<Record<TokenRole, string>>;
  /** Of an agent that has joined and does not run. */
  readonly agentToken: string;
  /** False when the process has ended. */
  isRunning(): boolean;
  stop(): Promise<void>;
}

export async function makeApiGround(): Promise<ApiGround> {
  const world = await startWorld();
  try {
    const { tokens, agentToken } = await fill(world);
    const port = await freePort();
    await writeFile(world.configPath, `${world.yaml}listen: { address: "127.0.0.1:${String(port)}", withoutTls: on-loopback, requestsPerS: 100000 }\n`);
    const server = startProcess(["server", "--config", world.configPath]);
    const client = createClient(httpTransport(join(world.rootDir, "state", "holdfast.sock")));
    await answersOrEnds(server, () => client.call(api.system.findings, { all: false }));
    return {
      url: `http://127.0.0.1:${String(port)}`,
      logPath: join(world.rootDir, "state", "holdfast.log"),
      tokens,
      agentToken,
      isRunning: () => !server.hasEnded(),
      stop: async () => {
        await server.kill("SIGKILL");
        await world.stop();
      },
    };
  } catch (error) {
    await world.stop();
    throw error;
  }
}

/** By `holdfast up` in this process, which ends before the server begins. */
async function fill(world: HoldfastWorld): Promise<Pick<ApiGround, "tokens" | "agentToken">> {
  const connection = await world.connect();
  await connection.query("CREATE DATABASE shop");
  await connection.query("CREATE TABLE shop.customer (id INT PRIMARY KEY, name VARCHAR(50)) SELECT 1 AS id, 'Ann' AS name");
  const { backupId } = await world.holdfast.backUp("full");
  await world.holdfast.waitUntilShipped(await world.logPosition());
  const { client } = world;
  await client.call(api.backups.hold, { backupId, reason: "kept", by: "test" });
  const tokens: [TokenRole, string][] = [];
  for (const role of tokenRoleSchema.options) tokens.push([role, (await client.call(api.tokens.create, { name: role, role })).text]);
  const invitation = await client.call(api.agents.invite, { pools: ["local"], labels: {}, expiresInS: 60 });
  const { text: agentToken } = await client.call(api.agents.join, { token: invitation.text, name: "db1" });
  await world.stopUp();
  return { tokens: Object.fromEntries(tokens) as Record<TokenRole, string>, agentToken };
}
