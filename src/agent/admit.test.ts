import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { orderOf, probeWork, shipWork } from "../../test/fakes/agent-server.ts";
import type { Order, Work } from "../model/job.ts";
import type { RestoreTarget } from "../model/restore.ts";
import { admitHooks, admitOrder, type Pins } from "./admit.ts";
import { permitListed } from "./recipient-pins.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-admit-"));
  await mkdir(join(dir, "restores"));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

const own = { socket: "/run/own.sock", user: "backup" };
const pins = (changes: Partial<Pins> = {}): Pins => ({
  agent: "db1",
  instances: new Map([["shop", { engine: "mysql", connection: own }]]),
  permitRecipients: permitListed(["age1x", "age1escrow"]),
  restoreTargets: [join(dir, "restores")],
  hooks: new Map([["pause", {}], ["resume", {}]]),
  restoreConnections: [{ socket: "/run/other.sock", user: "loader" }],
  ...changes,
});
const backup = (recipients: string[]): Work => ({ kind: "backup", backupKind: "full", parent: null, sealing: { recipients, metadataRecipient: "age1m", compressionLevel: 3 }, rowCounts: "none", heartbeat: false });
const restoreTo = (target: RestoreTarget): Order => orderOf({ kind: "restore", target, plan: {} } as unknown as Work);
const refusal = (says: string): object => ({ code: "AGENT_REFUSED", message: expect.stringContaining(says) as unknown });

describe("what an agent's own file permits", () => {
  test("is done through its own connection, whatever the server says", async () => {
    const order = orderOf(probeWork);
    const lying = { ...order, instance: { ...order.instance, connection: { host: "elsewhere", user: "root" } } };
    expect((await admitOrder(lying, pins())).instance).toEqual({ ...order.instance, connection: own });
    expect((await admitOrder(orderOf(backup(["age1escrow", "age1x"])), pins())).work.kind).toBe("backup");
  });

  test("is no instance that it does not name, and of no other engine", async () => {
    await expect(admitOrder(orderOf(probeWork), pins({ instances: new Map() }))).rejects.toMatchObject(refusal("names no mysql instance shop"));
    await expect(admitOrder(orderOf(probeWork), pins({ instances: new Map([["shop", { engine: "redis", connection: own }]]) }))).rejects.toMatchObject(refusal("names no mysql instance shop"));
  });

  test("is no work that reaches a server to which it gives no connection, but all that is about what is stored", async () => {
    const bare = pins({ instances: new Map([["shop", { engine: "mysql" }]]) });
    for (const work of [probeWork, shipWork, backup(["age1x", "age1escrow"])]) await expect(admitOrder(orderOf(work), bare)).rejects.toMatchObject(refusal("gives no connection to shop"));
    const verify = orderOf({ kind: "verify", tier: "T0", chain: [], segments: [] } as unknown as Work);
    const lying = { ...verify, instance: { ...verify.instance, connection: { host: "elsewhere", user: "root" } } };
    expect((await admitOrder(lying, bare)).instance.connection).toBeNull();
    expect((await admitOrder(restoreTo({ kind: "directory", path: join(dir, "restores", "new"), start: false }), bare)).instance.connection).toBeNull();
  });

  test("is no foreign recipient, and none of its own left out", async () => {
    const reseal = { kind: "reseal", sealing: { recipients: ["age1x", "age1escrow", "age1thief"] } } as unknown as Work;
    for (const work of [reseal, backup(["age1x", "age1escrow", "age1thief"]), { ...shipWork, sealing: { ...(shipWork as { sealing: object }).sealing, recipients: ["age1thief"] } } as Work]) {
      await expect(admitOrder(orderOf(work), pins())).rejects.toMatchObject(refusal("does not name the recipient age1thief"));
    }
    await expect(admitOrder(orderOf(backup(["age1x"])), pins())).rejects.toMatchObject(refusal("leaves out the recipient age1escrow"));
  });

  test("is a hook that it lists and no other, before or after a backup", async () => {
    const withHooks = (before: string[], after: string[]): Order => orderOf({ ...backup(["age1x", "age1escrow"]), hooks: { before, after } } as Work);
    expect((await admitOrder(withHooks(["pause"], ["resume", "pause"]), pins())).work).toMatchObject({ hooks: { before: ["pause"], after: ["resume", "pause"] } });
    for (const order of [withHooks(["pause", "wipe"], []), withHooks([], ["wipe"]), withHooks(["wipe"], ["wipe"])]) {
      await expect(admitOrder(order, pins())).rejects.toMatchObject({ ...refusal("Agent db1 refuses the order: its file lists no hook wipe."), details: { agent: "db1", refused: "wipe" } });
    }
    await expect(admitOrder(withHooks(["pause"], []), pins({ hooks: new Map() }))).rejects.toMatchObject(refusal("lists no hook pause"));
    // The agent in the server's own process pins nothing else.
    const admit = admitHooks({ agent: "up", hooks: new Map([["pause", {}]]) });
    expect(await admit(withHooks(["pause"], []))).toEqual({ ...withHooks(["pause"], []), jobId: expect.any(String) as unknown, attemptId: expect.any(String) as unknown, instance: expect.any(Object) as unknown });
    await expect(admit(withHooks(["pause"], ["resume"]))).rejects.toMatchObject(refusal("Agent up refuses the order: its file lists no hook resume."));
    expect((await admit(orderOf(probeWork))).work).toEqual(probeWork);
  });

  test("is a restore below its targets and nowhere else, by no way of writing a path", async () => {
    const inside = join(dir, "restores");
    await mkdir(join(dir, "outside"));
    await symlink(join(dir, "outside"), join(inside, "link"));
    await symlink(join(dir, "outside", "later"), join(inside, "dangling"));
    for (const path of [join(inside, "new"), join(inside, "deep", "er", "new"), `${inside}/./new`, `${inside}//new`]) {
      expect((await admitOrder(restoreTo({ kind: "directory", path, start: false }), pins())).work.kind, path).toBe("restore");
    }
    const outside = ["/etc", "/", inside, `${inside}/`, `${inside}-2/new`, `${inside}/../outside/new`, join(inside, "link", "new"), join(inside, "link"), join(inside, "dangling"), join(inside, "dangling", "new"), `${inside}/link/../new`, `${inside}/a/../new`, `${inside}/link/../../outside/new`, join(dir, "outside", "new")];
    for (const path of outside) await expect(admitOrder(restoreTo({ kind: "directory", path, start: true }), pins()), path).rejects.toMatchObject(refusal("does not lie below"));
    await expect(admitOrder(restoreTo({ kind: "table", schema: "a", table: "b", sqlPath: "/etc/cron.d/x" }), pins())).rejects.toMatchObject(refusal("/etc/cron.d/x does not lie below"));
    await expect(admitOrder(restoreTo({ kind: "directory", path: join(inside, "new"), start: false }), pins({ restoreTargets: [] }))).rejects.toMatchObject(refusal("(none)"));
  });

  test("is a table into a server that it names and into no other", async () => {
    const into = (connection: Record<string, unknown>): Order => restoreTo({ kind: "table", schema: "a", table: "b", into: connection });
    expect((await admitOrder(into({ user: "loader", socket: "/run/other.sock" }), pins())).work.kind).toBe("restore");
    await expect(admitOrder(into({ user: "root", socket: "/run/other.sock" }), pins())).rejects.toMatchObject(refusal("names no such server"));
  });
});
