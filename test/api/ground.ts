import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Client, createClient, httpTransport } from "../../src/client/index.ts";
import { freePort } from "../../src/demo/free-port.ts";
import { api } from "../../src/model/api/index.ts";
import { type TokenRole, tokenRoleSchema } from "../../src/model/role.ts";
import { startHoldfast } from "../fixtures/holdfast-program.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

/** A real `holdfast server` that serves its API over HTTP, or with TLS, on loopback, with a backup, log, jobs, tokens and an agent in its catalog. */
export interface ApiGround {
  readonly url: string;
  /** Over the server's own socket. */
  readonly client: Client;
  readonly logPath: string;
  readonly tokens: Readonly<Record<TokenRole, string>>;
  /** Of the agents db1 and db2, which have joined and do not run. */
  readonly agentToken: string;
  readonly otherAgentToken: string;
  /** False when the process has ended. */
  isRunning(): boolean;
  stop(): Promise<void>;
}

export async function makeApiGround({ withTls = false } = {}): Promise<ApiGround> {
  const world = await startWorld();
  try {
    const filled = await fill(world);
    const port = await freePort();
    await writeFile(world.configPath, `${world.yaml}listen: { address: "127.0.0.1:${String(port)}", ${withTls ? "" : "withoutTls: on-loopback, "}requestsPerS: 100000 }\n`);
    const server = startHoldfast(["server", "--config", world.configPath]);
    const client = createClient(httpTransport(join(world.rootDir, "state", "holdfast.sock")));
    // The socket is served before the network is.
    await server.until("holdfast is up");
    return {
      url: `${withTls ? "https" : "http"}://127.0.0.1:${String(port)}`,
      logPath: join(world.rootDir, "state", "holdfast.log"),
      client,
      ...filled,
      isRunning: () => server.isRunning(),
      stop: async () => {
        await server.kill9();
        await world.stop();
      },
    };
  } catch (error) {
    await world.stop();
    throw error;
  }
}

/** By `holdfast up` in this process, which ends before the server begins. */
async function fill(world: HoldfastWorld): Promise<Pick<ApiGround, "tokens" | "agentToken" | "otherAgentToken">> {
  const connection = await world.connect();
  await connection.query("CREATE DATABASE shop");
  await connection.query("CREATE TABLE shop.customer (id INT PRIMARY KEY, name VARCHAR(50)) SELECT 1 AS id, 'Ann' AS name");
  const { backupId } = await world.holdfast.backUp("full");
  await world.holdfast.waitUntilShipped(await world.logPosition());
  const { client } = world;
  await client.call(api.backups.hold, { backupId, reason: "kept", by: "test" });
  const tokens: [TokenRole, string][] = [];
  for (const role of tokenRoleSchema.options) tokens.push([role, (await client.call(api.tokens.create, { name: role, role })).text]);
  const join = async (name: string): Promise<string> => {
    const invitation = await client.call(api.agents.invite, { pools: ["local"], labels: {}, expiresInS: 60 });
    return (await client.call(api.agents.join, { token: invitation.text, name })).text;
  };
  const [agentToken, otherAgentToken] = [await join("db1"), await join("db2")];
  await world.stopUp();
  return { tokens: Object.fromEntries(tokens) as Record<TokenRole, string>, agentToken, otherAgentToken };
}
