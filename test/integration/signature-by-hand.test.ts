import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { generateSigningKey, signerFrom } from "../../src/lib/signing.ts";
import { VERIFICATION_KIND } from "../../src/model/verification.ts";
import { report } from "../fakes/cli-documents.ts";
import { describeUnless } from "../skip.ts";

const run = promisify(execFile);
const PAGE = resolve(import.meta.dirname, "../../docs/verification.md");
const missing = ["openssl", "jq"].filter((tool) => !isThere(tool));

/** Runs the very lines of docs/verification.md. */
describeUnless(missing.length === 0 ? undefined : `${missing.join(" and ")} is not on PATH`, "the lines that check a signature by hand", () => {
  const signer = signerFrom(generateSigningKey());
  const body = { ...report, instance: { ...report.instance, name: 'ünïcode "quoted" \\ 🦊' } };
  let dir = "";

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "hf-sign-"));
    await writeFile(join(dir, "holdfast.json"), JSON.stringify({ signingPublicKey: signer.publicKey }));
    await writeFile(join(dir, "report.json"), JSON.stringify(signer.sign(VERIFICATION_KIND, body)));
  });

  afterEach(() => rm(dir, { recursive: true, force: true }));

  async function check(): Promise<string> {
    const script = `set -e\n${await linesOf("public key")}\n${await linesOf("signature")}`;
    const { stdout } = await run("sh", ["-c", script], { cwd: dir, env: { ...process.env, REPO: dir, DOCUMENT: join(dir, "report.json") } });
    return stdout;
  }

  it("accept what the server signed and print the fingerprint that Holdfast prints", async () => {
    const stdout = await check();
    expect(stdout).toContain("Signature Verified Successfully");
    expect(stdout).toContain(signer.fingerprint);
  });

  it("refuse a report in which one word was changed", async () => {
    const path = join(dir, "report.json");
    await writeFile(path, (await readFile(path, "utf8")).replace('"status":"passed"', '"status":"failed"'));
    await expect(check()).rejects.toThrow();
  });

  it("refuse a report of another server", async () => {
    const other = signerFrom(generateSigningKey());
    await writeFile(join(dir, "report.json"), JSON.stringify(other.sign(VERIFICATION_KIND, body)));
    await expect(check()).rejects.toThrow();
  });
});

async function linesOf(name: string): Promise<string> {
  const page = await readFile(PAGE, "utf8");
  const [, lines] = new RegExp(`<!-- tested: ${name} -->\\n\`\`\`sh\\n([\\s\\S]*?)\`\`\``).exec(page) ?? [];
  if (lines === undefined) throw new Error(`docs/verification.md has no tested lines "${name}"`);
  return lines;
}

function isThere(tool: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${tool}`]);
    return true;
  } catch {
    return false;
  }
}
