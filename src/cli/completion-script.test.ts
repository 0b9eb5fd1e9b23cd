import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { completionScript } from "./completion-script.ts";
import { commands } from "./index.ts";

const run = promisify(execFile);

/** What bash would offer for the last of these words. */
async function complete(...words: string[]): Promise<string[]> {
  const script = `${completionScript("bash", commands)}
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _holdfast; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await run("bash", ["-c", script, "bash", ...words]);
  return stdout.split("\n").filter((word) => word !== "").sort();
}

describe("completion in bash", () => {
  it("is a script without faults", async () => {
    await expect(run("bash", ["-n", "-c", completionScript("bash", commands)])).resolves.toMatchObject({ stderr: "" });
  });

  it("offers the nouns, each once", async () => {
    const offered = await complete("holdfast", "");
    expect(offered).toEqual([...new Set([...commands.map(({ name }) => name.split(" ")[0]), "--help", "--version"])].sort());
  });

  it("offers the verbs of a noun that begin as typed", async () => {
    expect(await complete("holdfast", "backup", "r")).toEqual(["release", "reseal", "run"]);
    expect(await complete("holdfast", "restore", "")).toEqual(["plan", "run"]);
  });

  it("offers the options of the command, and those that all have", async () => {
    expect(await complete("holdfast", "backup", "run", "shop", "--")).toEqual(["--config", "--detach", "--help", "--json", "--kind", "--profile", "--server", "--server-fingerprint", "--token-file"]);
    expect(await complete("holdfast", "demo", "--k")).toEqual(["--keep"]);
  });

  it("leaves everything else to file names", async () => {
    expect(await complete("holdfast", "apply", "ho")).toEqual([]);
  });
});

describe("completion in other shells", () => {
  it("of zsh is the bash script behind its own header", () => {
    expect(completionScript("zsh", commands)).toMatch(/^#compdef holdfast\nautoload -U \+X bashcompinit && bashcompinit\n/);
    expect(completionScript("zsh", commands)).not.toContain("mapfile");
  });

  it("of fish offers each noun once and every command with its summary", () => {
    const lines = completionScript("fish", commands).split("\n");
    expect(lines.filter((line) => line.includes("__fish_use_subcommand -a backup"))).toHaveLength(1);
    for (const { name } of commands) expect(lines.some((line) => line.includes(` -a ${name.split(" ").at(-1) ?? ""} `)), name).toBe(true);
  });
});
