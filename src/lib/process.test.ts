import { expect, it } from "vitest";
import { runTool, startTool } from "./process.ts";

const run = (script: string): Promise<unknown> => runTool({ file: "sh", args: ["-c", script] });

it("tells a tool that was killed from one that failed: only the first has details.killedBy", async () => {
  await expect(run("kill -KILL $$")).rejects.toMatchObject({ code: "TOOL_FAILED", details: { killedBy: "SIGKILL" }, message: expect.stringContaining("signal SIGKILL") as string });
  await expect(run("echo bad page >&2; exit 3")).rejects.toMatchObject({ code: "TOOL_FAILED", details: {}, message: "sh ended with exit code 3: bad page" });
  await expect(runTool({ file: "/no/such/tool", args: [] })).rejects.toMatchObject({ code: "TOOL_MISSING" });
});

it("ends what a tool has started with it where that is asked for", async () => {
  const stop = new AbortController();
  const tool = startTool({ file: "sh", args: ["-c", "sleep 600 & echo $!; wait"], withChildren: true, signal: stop.signal });
  let printed = "";
  tool.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
  await expect.poll(() => printed).toMatch(/\n$/);
  stop.abort();
  // The child holds stdout open: nothing ends before it does.
  expect(await tool.exited).toEqual({ code: null, killedBy: "SIGTERM" });
});
