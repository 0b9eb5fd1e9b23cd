import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, chown, copyFile, mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { RunAs } from "../../lib/process.ts";
import { startProgram } from "../start-program.ts";
import { accepts, endpointOf, type S3Ground, type S3Server } from "./s3-server.ts";

/** Where scripts/setup.sh puts it: outside the checkout, so that the next one has it already. */
const PROGRAM = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "holdfast-tests", "versitygw-1.8.0", "versitygw");

/** Why there is no versitygw here; undefined when there is. Without Go it cannot be had, with it it must be there. */
export const noVersitygw: string | undefined = existsSync(PROGRAM) ? undefined : hasNewGo() ? `${PROGRAM} is missing` : "Go 1.21 or newer is not on PATH";

function hasNewGo(): boolean {
  return / go1\.(2[1-9]|[3-9]\d)/.test(spawnSync("go", ["version"], { encoding: "utf8" }).stdout ?? "");
}

/** A file system as a strict, modern S3 server: it stores and checks SHA-256, and keeps locks. */
export async function startVersitygwIn(ground: S3Ground): Promise<S3Server> {
  const { dir, port, runAs, certificate } = ground;
  for (const name of ["data", "versions", "accounts"]) {
    await mkdir(join(dir, name));
    if (runAs !== undefined) await chown(join(dir, name), runAs.uid, runAs.gid);
  }
  const [accessKeyId, secretAccessKey] = ["testroot", "testroot-secret"];
  const tls = certificate === undefined ? [] : ["--cert", certificate.certificateFile, "--key", certificate.keyFile];
  const server = startProgram("versitygw", {
    file: await programFor(dir, runAs),
    args: ["-q", "--port", `127.0.0.1:${String(port)}`, ...tls, "--iam-dir", join(dir, "accounts"), "posix", "--versioning-dir", join(dir, "versions"), join(dir, "data")],
    env: { ROOT_ACCESS_KEY: accessKeyId, ROOT_SECRET_KEY: secretAccessKey },
    runAs,
    stdout: "ignore",
  });
  await server.until("it listens", () => accepts(port));
  return { name: "versitygw", endpoint: endpointOf(ground), port, accessKeyId, secretAccessKey, stop: () => server.kill9() };
}

/** Another account may not reach into the cache of this one. */
async function programFor(dir: string, runAs: RunAs | undefined): Promise<string> {
  if (runAs === undefined) return PROGRAM;
  const copy = join(dir, "versitygw");
  await copyFile(PROGRAM, copy);
  await chmod(copy, 0o755);
  return copy;
}
