import { chmod, mkdir, statfs } from "node:fs/promises";
import { spawnSync } from "node:child_process";

/** A file system of its own in memory, so that it can be full without harm to anything else. Needs the right to mount. */
export interface Disk {
  readonly path: string;
  /** From now on nothing more fits; what is there stays. */
  fill(): Promise<void>;
  /** Gives it its size again. */
  release(): void;
  remove(): void;
}

const PAGE_BYTES = 4_096;
const TRIES = 50;

function run(file: string, args: readonly string[]): boolean {
  return spawnSync(file, args, { stdio: "ignore" }).status === 0;
}

export async function mountDisk(path: string, sizeMiB: number): Promise<Disk> {
  await mkdir(path, { recursive: true });
  const resize = (size: string): boolean => run("mount", ["-o", `remount,size=${size}`, path]);
  if (!run("mount", ["-t", "tmpfs", "-o", `size=${String(sizeMiB)}m,mode=0711`, "tmpfs", path])) throw new Error(`a file system could not be mounted on ${path}`);
  await chmod(path, 0o711);
  return {
    path,
    fill: async () => {
      // Below what is used it is refused, and what is used grows while we ask.
      for (let tries = 0; tries < TRIES; tries += 1) {
        const { blocks, bfree, bsize } = await statfs(path);
        if (resize(String(Math.max((blocks - bfree) * bsize, PAGE_BYTES)))) return;
      }
      throw new Error(`${path} could not be filled`);
    },
    release: () => {
      if (!resize(`${String(sizeMiB)}m`)) throw new Error(`${path} could not be given its size again`);
    },
    remove: () => {
      if (!run("umount", [path])) run("umount", ["-l", path]);
    },
  };
}

export function canMount(): boolean {
  return run("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
}
