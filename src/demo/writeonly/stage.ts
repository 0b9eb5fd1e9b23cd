import { chmod, chown, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { S3Client } from "@aws-sdk/client-s3";
import { type Client, createClient, httpTransport } from "../../client/index.ts";
import { api } from "../../model/api/index.ts";
import { type Authority, makeAuthority } from "../certificates.ts";
import { freePort } from "../free-port.ts";
import { createBucket, type S3Ground, type S3Server, s3ClientOf } from "../s3/s3-server.ts";
import type { RunningProgram } from "../start-program.ts";
import { agentYaml, gatewayYaml, keyholderYaml, POOL, s3Place, type S3Place, serverYaml } from "./configurations.ts";
import { give, giveFile, type Host, makeHost, run, start } from "./host.ts";
import { programForAll } from "./program.ts";
import { unusedIds } from "./users.ts";

export interface StageOptions {
  /** Starts a real S3 server; null where there is none. */
  readonly startS3: ((ground: S3Ground) => Promise<S3Server>) | null;
  /** Makes a pair of keys at this path and gives the recipient. */
  readonly makeKey: (path: string) => Promise<string>;
}

/** The bucket as whoever has all rights there sees it. */
export interface Bucket {
  readonly place: S3Place;
  readonly secretAccessKey: string;
  readonly serverName: string;
  readonly uid: number;
  readonly admin: S3Client;
}

/** Everything but the database host: the parties that an intruder there cannot reach into. */
export interface Stage {
  readonly rootDir: string;
  /** All that lies on other hosts than the database's lies below. */
  readonly awayDir: string;
  readonly program: string;
  readonly server: Host;
  readonly keyholder: Host;
  readonly gateway: Host;
  /** For the agents, which are hosts of their own. */
  readonly agentIds: readonly [number, number];
  readonly client: Client;
  readonly serverUrl: string;
  readonly gatewayUrl: string;
  readonly keyholderAddress: string;
  readonly directory: string;
  readonly bucket: Bucket | null;
  readonly recipients: readonly string[];
  /** Certificate of the authority that vouches for gateway and bucket. */
  readonly caFile: string;
  /** Makes the directory of an agent's host, lets it join and starts it. */
  openAgent(request: AgentRequest): Promise<{ host: Host; agent: RunningProgram }>;
  close(): Promise<void>;
}

export interface AgentRequest {
  readonly name: string;
  readonly uid: number;
  readonly groups: readonly number[];
  readonly dir: string;
  readonly socket: string;
  readonly into?: readonly string[] | undefined;
}

type Stops = (() => Promise<void>)[];

interface Ground {
  readonly rootDir: string;
  readonly awayDir: string;
  readonly directory: string;
  readonly program: string;
  readonly authority: Authority;
  readonly clients: Authority;
  readonly recipients: readonly string[];
  readonly ids: Readonly<Record<"server" | "keyholder" | "gateway" | "store" | "shared" | "agent" | "second", number>>;
  readonly stops: Stops;
}

export async function openStage(options: StageOptions): Promise<Stage> {
  const stops: Stops = [];
  const close = async (): Promise<void> => {
    for (const stop of stops.splice(0).toReversed()) await stop();
  };
  try {
    const ground = await openGround(options, stops);
    const bucket = options.startS3 === null ? null : await openBucket(ground, options.startS3);
    return { ...(await openParties(ground, bucket)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openGround({ makeKey }: StageOptions, stops: Stops): Promise<Ground> {
  const [server = 0, keyholder = 0, gateway = 0, store = 0, shared = 0, agent = 0, second = 0] = await unusedIds(7);
  const program = await programForAll(server);
  stops.push(() => program.release());
  const rootDir = await mkdtemp(join(tmpdir(), "hf-"));
  stops.push(() => rm(rootDir, { recursive: true, force: true, maxRetries: 3 }));
  const awayDir = join(rootDir, "away");
  const [safeDir, directory] = [join(awayDir, "safe"), join(awayDir, "repository")];
  await mkdir(awayDir);
  for (const dir of [rootDir, awayDir]) await chmod(dir, 0o711);
  await mkdir(safeDir, { mode: 0o700 });
  // The server commits and checks where the gateway writes: two users, one group.
  await mkdir(directory);
  await chown(directory, gateway, shared);
  await chmod(directory, 0o2770);
  const recipients = [await makeKey(join(safeDir, "daily.key")), await makeKey(join(safeDir, "escrow.key"))];
  const [authority, clients] = [await makeAuthority(safeDir, "hosts"), await makeAuthority(safeDir, "clients")];
  return { rootDir, awayDir, directory, program: program.path, authority, clients, recipients, ids: { server, keyholder, gateway, store, shared, agent, second }, stops };
}

async function openBucket({ awayDir, authority, ids, stops }: Ground, startS3: NonNullable<StageOptions["startS3"]>): Promise<Bucket> {
  const host = await makeHost({ name: "store", uid: ids.store, dir: join(awayDir, "store") });
  const { certificateFile, keyFile } = await authority.issue("store");
  const certificate = { certificateFile: await giveFile(host, "tls.pem", certificateFile), keyFile: await giveFile(host, "tls.key", keyFile) };
  const s3 = await startS3({ dir: host.dir, port: await freePort(), runAs: { user: "store", uid: ids.store, gid: ids.store }, certificate });
  stops.push(() => s3.stop());
  const admin = s3ClientOf(s3, await readFile(authority.caFile, "utf8"));
  stops.push(async () => admin.destroy());
  const place = s3Place(s3);
  await createBucket(admin, place.bucket, true);
  return { place, secretAccessKey: s3.secretAccessKey, serverName: s3.name, uid: ids.store, admin };
}

async function openParties(ground: Ground, bucket: Bucket | null): Promise<Omit<Stage, "close">> {
  const { awayDir, directory, program, authority, recipients, ids } = ground;
  const [serverPort, gatewayPort, keyholderPort] = [await freePort(), await freePort(), await freePort()];
  const keyholderAddress = `127.0.0.1:${String(keyholderPort)}`;
  const s3 = bucket?.place ?? null;
  const secret = bucket?.secretAccessKey ?? "";

  const server = await makeHost({ name: "server", uid: ids.server, groups: [ids.shared], dir: join(awayDir, "server") });
  await giveCertificate(server, ground.clients, "client");
  await giveFile(server, "ca.pem", authority.caFile);
  await give(server, "s3.secret", `${secret}\n`);
  const client = await startServer(ground, server, serverYaml({ dir: server.dir, port: serverPort, recipients, keyholderAddress, directory, s3 }));
  const { signingKeyFingerprint: fingerprint } = await client.call(api.system.status, {});

  const keyholder = await makeHost({ name: "keyholder", uid: ids.keyholder, dir: join(awayDir, "keyholder") });
  await giveCertificate(keyholder, authority, "tls");
  await giveFile(keyholder, "clients.pem", ground.clients.caFile);
  await giveFile(keyholder, "daily.key", join(awayDir, "safe", "daily.key"));
  const { signingPublicKey } = JSON.parse(await readFile(join(directory, "holdfast.json"), "utf8")) as { signingPublicKey: string };
  await launch(ground, keyholder, { command: "keyholder", yaml: keyholderYaml({ dir: keyholder.dir, address: keyholderAddress, signingKey: signingPublicKey }), ready: "the keyholder is up" });

  const gateway = await makeHost({ name: "gateway", uid: ids.gateway, groups: [ids.shared], dir: join(awayDir, "gateway") });
  await giveCertificate(gateway, authority, "tls");
  await giveFile(gateway, "ca.pem", authority.caFile);
  await launch(ground, gateway, { command: "gateway", yaml: gatewayYaml({ dir: gateway.dir, port: gatewayPort, fingerprint, directory }), ready: "the gateway listens" });

  const [serverUrl, gatewayUrl] = [`https://127.0.0.1:${String(serverPort)}`, `https://127.0.0.1:${String(gatewayPort)}`];
  const openAgent = (request: AgentRequest): Promise<{ host: Host; agent: RunningProgram }> => joinAgent(ground, request, { client, serverUrl, gatewayUrl, hasBucket: bucket !== null });
  const { rootDir } = ground;
  return { rootDir, awayDir, program, server, keyholder, gateway, agentIds: [ids.agent, ids.second], client, serverUrl, gatewayUrl, keyholderAddress, directory, bucket, recipients, caFile: authority.caFile, openAgent };
}

async function giveCertificate(host: Host, authority: Authority, name: string): Promise<void> {
  const { certificateFile, keyFile } = await authority.issue(`${host.name}-${name}`);
  await giveFile(host, `${name}.pem`, certificateFile);
  await giveFile(host, `${name}.key`, keyFile);
}

interface Launch {
  readonly command: string;
  readonly yaml: string;
  readonly ready: string;
}

async function launch({ program, stops }: Ground, host: Host, { command, yaml, ready }: Launch): Promise<RunningProgram> {
  const config = await give(host, `${command}.yaml`, yaml);
  const running = start(host, { args: [program, command, "--config", config], env: { HOME: host.dir, NODE_EXTRA_CA_CERTS: join(host.dir, "ca.pem") } });
  stops.push(() => running.kill9());
  await running.until(ready);
  return running;
}

async function startServer(ground: Ground, host: Host, yaml: string): Promise<Client> {
  await launch(ground, host, { command: "server", yaml, ready: "holdfast is up" });
  return createClient(httpTransport(join(host.dir, "state", "holdfast.sock")));
}

async function joinAgent(ground: Ground, request: AgentRequest, { client, serverUrl, gatewayUrl, hasBucket }: { client: Client; serverUrl: string; gatewayUrl: string; hasBucket: boolean }): Promise<{ host: Host; agent: RunningProgram }> {
  const { name, uid, groups, dir, socket, into } = request;
  const host: Host = { ...(await makeHost({ name, uid, groups, dir })), ...(into === undefined ? {} : { into }) };
  await giveFile(host, "ca.pem", ground.authority.caFile);
  await mkdir(join(dir, "restores"), { mode: 0o711 });
  await chown(join(dir, "restores"), uid, uid);
  const yaml = agentYaml({ dir, recipients: ground.recipients, gatewayUrl, hasBucket, socket });
  const config = await give(host, "agent.yaml", yaml);
  const { text, serverFingerprint } = await client.call(api.agents.invite, { name, pools: [POOL], labels: {}, expiresInS: 600 });
  const token = await give(host, "join.token", text);
  await run(host, { args: [ground.program, "agent", "join", "--config", config, "--server", serverUrl, "--server-fingerprint", serverFingerprint ?? "", "--token-file", token, "--name", name] });
  return { host, agent: await launch(ground, host, { command: "agent", yaml, ready: "agent is ready" }) };
}
