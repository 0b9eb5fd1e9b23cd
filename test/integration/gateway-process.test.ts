import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { makeAuthority } from "../../src/demo/certificates.ts";
import { provenBody } from "../../src/lib/proven-body.ts";
import { mayRetry } from "../../src/lib/retry.ts";
import { generateSigningKey, signerFrom } from "../../src/lib/signing.ts";
import { grantHeader } from "../../src/model/gateway-protocol.ts";
import type { GateElsewhere } from "../../src/storage/gate.ts";
import { remoteGate } from "../../src/storage/remote-gate.ts";
import { type GatewayGround, makeCertificate, markRepository, openGround } from "../fixtures/gateway.ts";
import { grantBy } from "../fixtures/grants.ts";
import { HOLDFAST } from "../fixtures/holdfast-program.ts";
import { until } from "../fixtures/log-collector.ts";
import { openRaw, sendRaw } from "../fixtures/raw-http.ts";
import { tempDir } from "../fixtures/temp.ts";

const BODY = randomBytes(40 * 1024);
const never = new AbortController().signal;

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function open(options: Parameters<typeof openGround>[0] = {}): Promise<GatewayGround> {
  const ground = await openGround(options);
  closers.push(() => ground.remove());
  return ground;
}

function gateOf(options: Parameters<typeof remoteGate>[0]): GateElsewhere {
  const gate = remoteGate(options);
  closers.push(async () => {
    gate.close();
  });
  return gate;
}

const messages = async ({ gateway }: GatewayGround): Promise<string[]> => (await gateway.log()).map(({ msg }) => String(msg));

describe("a gateway's quota", () => {
  it("raises an alarm before it is used up, refuses what is more, and still knows after a restart", async () => {
    const ground = await open({ more: "quota: { bytesPerDay: 100KiB, alarmPercent: 90 }\n" });
    const gate = gateOf({ url: ground.gateway.url });
    const put = (key: string, body = BODY): Promise<void> => gate.put(ground.grant(body, { key }), [body], never);
    const [nearly, usedUp] = ["ALARM: the quota of the day is nearly used up", "ALARM: the quota of the day is used up; writes are refused"];
    await put("i/1");
    // What is refused for another reason does not count.
    for (let time = 0; time < 3; time += 1) {
      const grant = ground.grant(BODY, { key: "i/2" });
      // Said to be right, so that it is the gateway that finds it wrong.
      await expect(gate.put(grant, provenBody([Buffer.from(BODY).reverse()], grant.body.sha256), never)).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    }
    await put("i/2");
    expect(await messages(ground)).not.toContain(nearly);
    await put("i/more", BODY.subarray(0, 12 * 1024));
    expect(await messages(ground)).toContain(nearly);
    await expect(put("i/3")).rejects.toMatchObject({ code: "STORAGE_FULL", message: expect.stringContaining("main/i may write in a day") as string });
    expect(await messages(ground)).toContain(usedUp);
    await put("other/1");
    await ground.gateway.stop();
    await ground.gateway.start();
    await expect(put("i/3")).rejects.toMatchObject({ code: "STORAGE_FULL" });
    await put("i/small", Buffer.from("there is room for this"));
    expect((await readdir(join(ground.repositoryPath, "i"))).toSorted()).toEqual(["1", "2", "more", "small"]);
  });
});

describe("a gateway's patience", () => {
  it("ends with a sender who stalls: it is told so, and nothing is stored", async () => {
    const ground = await open({ more: "limits: { idle: 300ms }\n" });
    const grant = ground.grant(BODY);
    const headers = [`authorization: ${grantHeader(grant)}`, `content-length: ${String(BODY.byteLength)}`];
    const answer = await sendRaw(ground.gateway.port, { method: "PUT", path: "/v1/object", headers, body: BODY.subarray(0, 1_000) });
    expect(answer).toMatchObject({ status: 504, code: "TIMEOUT" });
    expect(await readdir(join(ground.repositoryPath, ".tmp"))).toEqual([]);
  });

  it("ends with a reader who takes nothing", async () => {
    const ground = await open({ more: "limits: { idle: 300ms }\n" });
    // More than the sockets between the two could hold; not put through the gateway, whose patience a slow machine would try.
    const large = randomBytes(40_000_000);
    await mkdir(join(ground.repositoryPath, "i/backups/b"), { recursive: true });
    await writeFile(join(ground.repositoryPath, "i/backups/b/000000.zst.age"), large);
    const socket = openRaw(ground.gateway.port, { method: "GET", path: "/v1/object", headers: [`authorization: ${grantHeader(ground.grant(large, { operation: "get" }))}`] });
    try {
      socket.pause();
      const openFiles = async (): Promise<number> => {
        const { stdout } = spawnSync("sh", ["-c", `ls -l /proc/*/fd 2>/dev/null | grep -c "$0" || true`, join(ground.repositoryPath, "i/backups/b/000000.zst.age")], { encoding: "utf8" });
        return Number(stdout);
      };
      await until("it is read", async () => (await messages(ground)).includes("read"));
      await until("the object is let go", async () => (await openFiles()) === 0);
    } finally {
      socket.destroy();
    }
  });
});

describe("a gateway with TLS", () => {
  it("is believed by its authority alone, and not under another name", async () => {
    const ground = await open({ withTls: true });
    const stranger = await tempDir();
    closers.push(stranger.remove);
    const ca = await readFile(ground.certificate?.caFile ?? "", "utf8");
    await gateOf({ url: ground.gateway.url, ca }).put(ground.grant(BODY), [BODY], never);
    const others = [{ url: ground.gateway.url }, { url: ground.gateway.url, ca: await readFile((await makeCertificate(stranger.path)).caFile, "utf8") }, { url: ground.gateway.url.replace("127.0.0.1", "localhost"), ca }];
    for (const options of others) {
      const error = await gateOf(options).put(ground.grant(BODY, { key: "i/else" }), [BODY], never).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: "STORAGE_REFUSED", hint: expect.stringContaining("caFile") as string });
      expect(mayRetry(error)).toBe(false);
    }
    // Who speaks without TLS to it hears nothing.
    await expect(gateOf({ url: ground.gateway.url.replace("https", "http") }).put(ground.grant(BODY, { key: "i/else" }), [BODY], never)).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    expect(await readdir(join(ground.repositoryPath, "i"))).toEqual(["backups"]);
  });
});

describe("the client of a gateway", () => {
  it("sends after a while what nobody gave leave for: something in between may not know how", async () => {
    let received = 0;
    const server = createServer();
    server.on("checkContinue", (request, response) => {
      request.on("data", (chunk: Buffer) => (received += chunk.byteLength));
      request.once("end", () => response.writeHead(201).end('{"stored":true}'));
    });
    await new Promise<void>((listens) => server.listen(0, "127.0.0.1", listens));
    closers.push(() => new Promise((closed) => server.close(() => closed())));
    const gate = gateOf({ url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, leaveMs: 200 });
    const signer = signerFrom(generateSigningKey());
    await gate.put(grantBy(signer, BODY), [BODY], never);
    expect(received).toBe(BODY.byteLength);
    gate.close();
  });
});

describe("holdfast gateway as a command", () => {
  function start(configPath: string): { code: number | null; stderr: string } {
    const { status, stderr } = spawnSync(HOLDFAST, ["gateway", "--config", configPath], { encoding: "utf8", timeout: 240_000 });
    return { code: status, stderr };
  }

  async function stopped(): Promise<GatewayGround> {
    const ground = await open();
    await ground.gateway.stop();
    return ground;
  }

  it("keeps state and log to its own user, and ends well when it is told to", async () => {
    const ground = await open();
    expect((await stat(ground.gateway.stateDir)).mode & 0o077).toBe(0);
    for (const name of await readdir(ground.gateway.stateDir)) expect((await stat(join(ground.gateway.stateDir, name))).mode & 0o077, name).toBe(0);
    expect(await ground.gateway.stop()).toBe(0);
    expect((await ground.gateway.log()).filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  it("does not start before a repository of another installation, and says whose it is", async () => {
    const ground = await stopped();
    await rm(join(ground.repositoryPath, "holdfast.json"));
    const other = signerFrom(generateSigningKey());
    await markRepository(ground.repositoryPath, other);
    const { code, stderr } = start(ground.gateway.configPath);
    expect([code, stderr.includes("REPOSITORY_FOREIGN"), stderr.includes(other.fingerprint)]).toEqual([13, true, true]);
  });

  it("serves a repository only once its mark is there: an empty mount point has none", async () => {
    const ground = await stopped();
    await rm(join(ground.repositoryPath, "holdfast.json"));
    await ground.gateway.start();
    const gate = gateOf({ url: ground.gateway.url });
    const error = await gate.put(ground.grant(BODY), [BODY], never).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("has no holdfast.json yet") as string });
    expect(await readdir(ground.repositoryPath)).toEqual([]);
    await markRepository(ground.repositoryPath, ground.signer);
    await gate.put(ground.grant(BODY), [BODY], never);
  });

  it("does not guess what it remembered", async () => {
    const ground = await stopped();
    await writeFile(join(ground.gateway.stateDir, "gateway.json"), "{");
    const { code, stderr } = start(ground.gateway.configPath);
    expect([code, stderr.includes("FORMAT_INVALID"), stderr.includes("gateway.json")]).toEqual([14, true, true]);
  });

  it.each<[string, (ground: GatewayGround) => Promise<string>, RegExp]>([
    ["a key that everybody can read", async ({ dir }) => { const { certificateFile, keyFile } = await makeCertificate(dir); await chmod(keyFile, 0o644); return `tls: { certificateFile: ${certificateFile}, keyFile: ${keyFile} }`; }, /tls\.keyFile: .* can be read or written by everybody/],
    ["a key of another certificate", async ({ dir }) => { const { certificateFile } = await makeCertificate(dir); const { keyFile } = await (await makeAuthority(dir, "other")).issue("other"); return `tls: { certificateFile: ${certificateFile}, keyFile: ${keyFile} }`; }, /are not a certificate and its key/],
    ["a certificate that is not there", async () => "tls: { certificateFile: none.pem, keyFile: none.key }", /tls\.\w+File: .* cannot be read: ENOENT/],
  ])("refuses %s", async (_what, makeTls, says) => {
    const ground = await stopped();
    const text = await readFile(ground.gateway.configPath, "utf8");
    await writeFile(ground.gateway.configPath, `${text}${await makeTls(ground)}\n`);
    const { code, stderr } = start(ground.gateway.configPath);
    expect(stderr.replace(/\s+/g, " ")).toMatch(says);
    expect(code).toBe(2);
  });

  it("refuses a port that is taken", async () => {
    const ground = await open();
    const { code, stderr } = start(ground.gateway.configPath);
    expect(stderr.replace(/\s+/g, " ")).toMatch(/cannot listen on 127\.0\.0\.1, port \d+/);
    expect(code).toBe(2);
  });

  it("without TLS on more than loopback says it as loud as it can", async () => {
    const ground = await stopped();
    const text = await readFile(ground.gateway.configPath, "utf8");
    await writeFile(ground.gateway.configPath, text.replace("listen: {", "listen: { host: 0.0.0.0,"));
    const refused = start(ground.gateway.configPath);
    expect([refused.code, refused.stderr.includes("listen.host")]).toEqual([2, true]);
    await writeFile(ground.gateway.configPath, `${text.replace("listen: {", "listen: { host: 0.0.0.0,")}dangerouslyWithoutTls: true\n`);
    await ground.gateway.start();
    expect((await ground.gateway.log()).find(({ msg }) => String(msg).startsWith("WITHOUT TLS on more than loopback"))).toMatchObject({ level: 50 });
  });
});
