import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "./lib/clock.ts";
import { prepareStateDir, serverKeys, type StateDir, stateDirAt } from "./state-dir.ts";

let root: string;
let state: StateDir;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hf-"));
  state = stateDirAt(join(root, "state"));
  await prepareStateDir(state);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

describe("the state directory", () => {
  test("nobody else may list it, its keys or its catalog", async () => {
    const passable = process.getuid?.() === 0 ? "711" : "700";
    expect([await modeOf(state.root), await modeOf(state.scratchRoot)]).toEqual([passable, passable]);
    expect([await modeOf(join(state.root, "keys")), await modeOf(join(state.root, "data"))]).toEqual(["700", "700"]);
  });

  test("a directory that was open to all is closed at the next start", async () => {
    await chmod(join(state.root, "keys"), 0o777);
    await prepareStateDir(state);
    expect(await modeOf(join(state.root, "keys"))).toBe("700");
  });

  test("keys are made once, for the owner alone, and read again afterwards", async () => {
    const first = await serverKeys(state, systemClock);
    const second = await serverKeys(state, systemClock);
    expect(second.signer.fingerprint).toBe(first.signer.fingerprint);
    expect(second.metadata).toEqual(first.metadata);
    expect(first.metadata.recipient).toMatch(/^age1/);
    expect([await modeOf(state.signingKeyPath), await modeOf(state.metadataKeyPath)]).toEqual(["600", "600"]);
    expect((await readdir(join(state.root, "keys"))).toSorted()).toEqual(["metadata.key", "signing.pem"]);
  });

  test("a metadata key file without an identity is refused, not replaced", async () => {
    await writeFile(state.metadataKeyPath, "# nothing\n", { mode: 0o600 });
    await expect(serverKeys(state, systemClock)).rejects.toMatchObject({ code: "KEY_MISSING" });
    expect(await readFile(state.metadataKeyPath, "utf8")).toBe("# nothing\n");
  });

  test("a place that cannot be made is named", async () => {
    await writeFile(join(root, "file"), "");
    await expect(prepareStateDir(stateDirAt(join(root, "file", "state")))).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(join(root, "file", "state")) as string });
  });
});
