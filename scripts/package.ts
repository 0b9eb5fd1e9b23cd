/**
 * `package.ts [--out dist]` makes holdfast-<version>-linux-<arch>.tar.gz and its .sha256, for hosts that have neither npm nor Node: what runs, and nothing that only builds or tests it. The same
 * commit and packages give the same bytes, so that anybody can check a tarball by making it again.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";

const ROOT = resolve(import.meta.dirname, "..");
/** Beside the packages. */
const CONTENTS = ["bin", "src", "deploy", "docs", "package.json", "LICENSE", "README.md", "CHANGELOG.md"];
const NODE_PACKAGE = `node-linux-${process.arch}`;
/** Fixed, because tar writes it down: 1980 is the earliest that every tool accepts. */
const FILE_TIME = "1980-01-01 00:00:00Z";

interface LockedPackage {
  readonly dev?: boolean;
  readonly version?: string;
}

/** Folders of the packages that run, as the lock file has them. */
async function runningPackages(): Promise<string[]> {
  const lock = JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8")) as { packages: Record<string, LockedPackage> };
  const isOtherMachine = (path: string): boolean => path.startsWith("node_modules/node-linux-") && path !== `node_modules/${NODE_PACKAGE}`;
  return Object.keys(lock.packages).filter((path) => path !== "" && lock.packages[path]?.dev !== true && !isOtherMachine(path));
}

async function copyPackage(path: string, into: string): Promise<void> {
  const from = join(ROOT, path);
  await mkdir(dirname(join(into, path)), { recursive: true });
  // Packages inside a package have entries of their own. Of Node only the program is needed.
  const isWanted = (source: string): boolean => {
    const inside = source.slice(from.length);
    if (inside.split("/").includes("node_modules")) return false;
    return path !== `node_modules/${NODE_PACKAGE}` || ["", "/bin", "/bin/node", "/package.json", "/LICENSE"].includes(inside);
  };
  await cp(from, join(into, path), { recursive: true, filter: isWanted });
}

async function copyContents(into: string): Promise<void> {
  for (const name of CONTENTS) {
    await cp(join(ROOT, name), join(into, name), { recursive: true, filter: (source) => !/\.(?:test|fixture)\.ts$/.test(source) });
  }
  for (const path of await runningPackages()) await copyPackage(path, into);
}

/** Whatever umask they were copied under: readable for all, writable for the owner. */
async function normaliseModes(dir: string): Promise<void> {
  await chmod(dir, 0o755);
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) await normaliseModes(path);
    else if (entry.isFile()) await chmod(path, ["bin/holdfast", "bin/node"].some((program) => path.endsWith(`/${program}`)) ? 0o755 : 0o644);
  }
}

function pack(staging: string, name: string, file: string): void {
  const args = ["--create", `--file=${file}`, "--use-compress-program=gzip -n -6", "--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", `--mtime=${FILE_TIME}`, `--directory=${staging}`, name];
  execFileSync("tar", args, { stdio: ["ignore", "inherit", "inherit"] });
}

const { values } = parseArgs({ options: { out: { type: "string", default: "dist" } } });
const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { version: string };
const outDir = resolve(values.out);
const fileName = `holdfast-${version}-linux-${process.arch}.tar.gz`;
const staging = await mkdtemp(join(tmpdir(), "hf-package-"));
try {
  const name = `holdfast-${version}`;
  await mkdir(join(staging, name));
  await copyContents(join(staging, name));
  await normaliseModes(join(staging, name));
  await mkdir(outDir, { recursive: true });
  const file = join(outDir, fileName);
  pack(staging, name, file);
  const sha256 = createHash("sha256").update(await readFile(file)).digest("hex");
  await writeFile(`${file}.sha256`, `${sha256}  ${fileName}\n`);
  process.stdout.write(`wrote ${file}\n${sha256}\n`);
} finally {
  await rm(staging, { recursive: true, force: true });
}
