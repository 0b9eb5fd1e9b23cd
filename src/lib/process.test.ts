import { expect, it } from "vitest";
import { runTool } from "./process.ts";

const run = (script: string): Promise<unknown> => runTool({ file: "sh", args: ["-c", script] });

it("tells a tool that was killed from one that failed: only the first has details.killedBy", async () => {
  await expect(run("kill -KILL $$")).rejects.toMatchObject({ code: "TOOL_FAILED", details: { killedBy: "SIGKILL" }, message: expect.stringContaining("signal SIGKILL") as string });
  await expect(run("echo bad page >&2; exit 3")).rejects.toMatchObject({ code: "TOOL_FAILED", details: {}, message: "sh ended with exit code 3: bad page" });
  await expect(runTool({ file: "/no/such/tool", args: [] })).rejects.toMatchObject({ code: "TOOL_MISSING" });
});
