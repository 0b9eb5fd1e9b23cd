import { chmod, mkdir, mkdtemp, rmdir, stat, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import { runTool } from "../../lib/process.ts";

const CHECKOUT = resolve(import.meta.dirname, "../../..");
/** What the program is made of. */
const PARTS = ["bin", "src", "node_modules", "package.json"];

/** The command line of Holdfast, where every user can start it. */
export interface Program {
  readonly path: string;
  release(): Promise<void>;
}

/**
 * The checkout itself where other users may read it; else (below /root, say) the same files under another path, mounted
 * read-only, so that nothing that goes wrong here can touch them.
 */
export async function programForAll(uid: number): Promise<Program> {
  const inCheckout = join(CHECKOUT, "bin/holdfast");
  if (await worksAs(uid, inCheckout)) return { path: inCheckout, release: () => Promise.resolve() };
  const place = await mkdtemp(join(tmpdir(), "hf-program-"));
  const mounted: string[] = [];
  // One by one and never a whole tree: whatever is still mounted stays as it is.
  const release = async (): Promise<void> => {
    for (const path of mounted.splice(0)) {
      await runTool({ file: "umount", args: [path] }).catch(() => undefined);
      await ((await stat(path)).isDirectory() ? rmdir(path) : unlink(path));
    }
    await rmdir(place);
  };
  try {
    await chmod(place, 0o711);
    for (const part of PARTS) mounted.push(await mountPart(place, part));
    const path = join(place, "bin/holdfast");
    if (await worksAs(uid, path)) return { path, release };
    throw new Error("its files are closed to other users");
  } catch (cause) {
    await release();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HoldfastError("REFUSED", `Other users cannot start ${inCheckout}: ${why}.`, { cause, hint: "Put the checkout where every user may read it, for example below /opt." });
  }
}

async function mountPart(place: string, part: string): Promise<string> {
  const [from, to] = [join(CHECKOUT, part), join(place, part)];
  const isFolder = (await stat(from)).isDirectory();
  await (isFolder ? mkdir(to, { mode: 0o711 }) : writeFile(to, ""));
  try {
    await runTool({ file: "mount", args: ["-o", "bind,ro", from, to] });
    return to;
  } catch (error) {
    await (isFolder ? rmdir(to) : unlink(to));
    throw error;
  }
}

async function worksAs(uid: number, path: string): Promise<boolean> {
  return runTool({ file: path, args: ["--version"], cwd: "/", runAs: { user: String(uid), uid, gid: uid } }).then(
    () => true,
    () => false,
  );
}
