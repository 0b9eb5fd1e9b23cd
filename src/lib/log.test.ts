import { expect, test } from "vitest";
import { createLog } from "./log.ts";

test("a log on a full disk ends nothing, and says so once", () => {
  const said: string[] = [];
  const log = createLog({ level: "info", destination: "/dev/full", readable: { write: (text) => said.push(text) } });
  log.info({}, "first");
  log.info({}, "second");
  expect(said.filter((text) => text.startsWith("holdfast: its log cannot be written: ENOSPC"))).toHaveLength(1);
});
