import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { delay } from "../../lib/clock.ts";
import { startTool } from "../../lib/process.ts";
import { filesBelow, requireReachable } from "./ownership.ts";
import { watchForStall } from "./stall-watch.ts";

let root: string | undefined;

afterEach(async () => {
  if (root !== undefined) await rm(root, { recursive: true, force: true });
  root = undefined;
});

/** Watches a shell until `enough`; says whether it was found to have stalled. The limit is long for a tool that works on a busy machine. */
async function stalls(script: string, spoken: () => number, enough: (isStalled: () => boolean) => Promise<void>): Promise<boolean> {
  const tool = startTool({ file: "sh", args: ["-c", script], stdout: "ignore" });
  let stalled = false;
  const unwatch = watchForStall({ pid: tool.pid ?? -1, spoken, limitMs: 1_000, intervalMs: 30, onStall: () => (stalled = true) });
  await enough(() => stalled);
  unwatch();
  tool.kill("SIGKILL");
  await tool.exited;
  return stalled;
}

const untilStalled = async (isStalled: () => boolean): Promise<void> => {
  await expect.poll(isStalled).toBe(true);
};
const twiceTheLimit = (): Promise<void> => delay(2_000);

describe("a tool that is watched", () => {
  it("has stalled when it neither speaks nor reads nor writes", async () => {
    expect(await stalls("exec sleep 300", () => 0, untilStalled)).toBe(true);
  });

  it("lives while it writes, or while it speaks", async () => {
    let lines = 0;
    const writes = stalls("while :; do echo x; sleep 0.02; done", () => 0, twiceTheLimit);
    const speaks = stalls("exec sleep 300", () => (lines += 1), twiceTheLimit);
    expect(await Promise.all([writes, speaks])).toEqual([false, false]);
  });
});

describe("a directory for a sandbox", () => {
  it("is refused, naming the one above it, when the account cannot pass through", async () => {
    root = await mkdtemp(join(tmpdir(), "hf-"));
    const dir = join(root, "closed", "data");
    await mkdir(dir, { recursive: true });
    await chmod(root, 0o711);
    await chmod(join(root, "closed"), 0o700);
    const account = { user: "somebody", uid: 54_321, gid: 54_321 };
    await expect(requireReachable(dir, account)).rejects.toMatchObject({ code: "SANDBOX_FAILED", hint: expect.stringContaining(`chmod o+x ${join(root, "closed")}`) as string });
    await chmod(join(root, "closed"), 0o711);
    await expect(requireReachable(dir, account)).resolves.toBeUndefined();
  });

  it("is listed with all files below it", async () => {
    root = await mkdtemp(join(tmpdir(), "hf-"));
    await mkdir(join(root, "a", "b"), { recursive: true });
    await writeFile(join(root, "a", "b", "f"), "");
    await writeFile(join(root, "g"), "");
    expect((await filesBelow(root)).sort()).toEqual(["a/b/f", "g"]);
  });
});
