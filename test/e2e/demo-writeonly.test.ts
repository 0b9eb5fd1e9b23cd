import { readdir, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { type RunningProgram, startProgram } from "../../src/demo/start-program.ts";
import { userEnv } from "../fixtures/holdfast-program.ts";
import { tempDir } from "../fixtures/temp.ts";
import { noVersitygw } from "../fixtures/s3-versitygw.ts";
import { describeUnless } from "../skip.ts";

const PROGRAM = resolve(import.meta.dirname, "../../scripts/demo-writeonly.ts");

const reason = process.getuid?.() === 0 ? noVersitygw : "not root";

/** The demo as `npm run demo:writeonly` runs it once the machine is set up; all that it makes lies in `dir`. */
function startDemo(dir: string): RunningProgram {
  return startProgram("the demonstration", { file: process.execPath, args: [PROGRAM, "--size-mb", "3"], env: { ...userEnv(), TMPDIR: dir } });
}

/** Command lines of processes that work in this directory. */
async function processesIn(dir: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes(dir));
}

describeUnless(reason, "the demonstration with four processes, four users and an intruder who is root", () => {
  it("sees every attempt refused, and restores from bucket and gateway what the database held", async () => {
    const dir = await tempDir();
    try {
      const { ended, said } = startDemo(dir.path);
      const code = await ended;
      expect(code, said()).toBe(0);
      const [, tried, refused, taken] = /Verdict\n {2}(\d+) tried, (\d+) refused, (\d+) taken/.exec(said()) ?? [];
      // Rubbish in the place of tails, in each of two places: taken, then found by the server itself, and the tails come back.
      expect([Number(refused) + 2, taken]).toEqual([Number(tried), "2"]);
      expect(said().match(/found by the server: The segment .* agent db1 .* It was replaced by the \d+ tails/g)).toHaveLength(2);
      expect(Number(tried)).toBeGreaterThanOrEqual(250);
      for (const place of ["bucket, no credentials", "bucket, the server's credentials: manifest.json", "gateway, repository directory", "bucket, requests that the server signed", "keyholder", "this machine", "server, the agent's token"]) expect(said()).toContain(`  ${place}\n`);
      for (const instance of ["shop-in-bucket", "shop-in-directory"]) expect(said()).toMatch(new RegExp(`compared: \\d{4,} rows \\(${instance}\\), every one equal`));
      expect(said().match(/verified to T4: passed/g)).toHaveLength(2);
      expect(said()).not.toContain("!!!");
      expect(await readdir(dir.path)).toEqual([]);
      expect(await processesIn(dir.path)).toEqual([]);
    } finally {
      await dir.remove();
    }
  });

  it("leaves no process and no file when somebody interrupts it", async () => {
    const dir = await tempDir();
    try {
      const { until, pid, ended, said } = startDemo(dir.path);
      await until("A shop, backed up to both");
      process.kill(pid, "SIGINT");
      const code = await ended;
      expect(code, said()).toBe(1);
      expect(said()).toContain("Interrupted by SIGINT");
      expect(await readdir(dir.path)).toEqual([]);
      expect(await processesIn(dir.path)).toEqual([]);
    } finally {
      await dir.remove();
    }
  });
});
