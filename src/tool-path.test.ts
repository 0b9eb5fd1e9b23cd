import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runTool } from "./lib/process.ts";
import { pinTools } from "./tool-path.ts";

test("tools come from the directories that are named and the system's own, not from the PATH of the start", async () => {
  const [named, started] = [await mkdtemp(join(tmpdir(), "holdfast-tools-")), await mkdtemp(join(tmpdir(), "holdfast-tools-"))];
  const before = process.env["PATH"];
  try {
    await writeFile(join(named, "holdfast-one"), "#!/bin/sh\necho named\n", { mode: 0o755 });
    for (const name of ["holdfast-one", "holdfast-two"]) await writeFile(join(started, name), "#!/bin/sh\necho started\n", { mode: 0o755 });
    process.env["PATH"] = `${started}:${before ?? ""}`;
    const output = async (file: string): Promise<string> => (await runTool({ file, args: [] })).stdout;

    pinTools(undefined, process.env);
    expect(await output("holdfast-one")).toBe("started\n");
    pinTools([named], process.env);
    expect(await output("holdfast-one")).toBe("named\n");
    await expect(output("holdfast-two")).rejects.toMatchObject({ code: "TOOL_MISSING" });
    expect(await output("true")).toBe("");
  } finally {
    process.env["PATH"] = before;
    for (const folder of [named, started]) await rm(folder, { recursive: true });
  }
});
