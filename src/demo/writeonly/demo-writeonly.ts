import { HoldfastError } from "../../lib/errors.ts";
import { Story } from "../story.ts";
import { Report } from "./report.ts";
import { runWriteOnly } from "./run-writeonly.ts";
import { openStage, type StageOptions } from "./stage.ts";

export interface WriteOnlyOptions extends Pick<StageOptions, "makeKey"> {
  /** Null where no S3 server can be had, and why. */
  readonly s3: { readonly start: NonNullable<StageOptions["startS3"]> } | { readonly missing: string };
  readonly print: (line: string) => void;
  readonly nowMs: () => number;
  readonly sizeMb: number;
  readonly intruder: readonly string[];
  readonly signal: AbortSignal;
}

/** The demo of DESIGN's "write-only": nothing is left behind, however it ends. Throws unless everything was refused. */
export async function demoWriteOnly({ s3, makeKey, print, nowMs, sizeMb, intruder, signal }: WriteOnlyOptions): Promise<{ tried: number; refused: number }> {
  if (process.getuid?.() !== 0) throw new HoldfastError("REFUSED", "This demo gives each of its processes a user of its own, which only root can do.", { hint: "Run it as root: sudo npm run demo:writeonly" });
  const missing = "missing" in s3 ? s3.missing : null;
  if (missing !== null) print(`!!! NO S3 SERVER HERE (${missing}): the bucket and its compliance lock are LEFT OUT; only the gateway is shown.`);
  const report = new Report(print);
  const story = new Story(print, nowMs);
  const stage = await openStage({ startS3: "start" in s3 ? s3.start : null, makeKey });
  const stops: (() => Promise<void>)[] = [];
  try {
    await runWriteOnly({ stage, story, report, sizeMb, intruder, signal, stops });
    if (missing !== null) print(`!!! LEFT OUT, because there is no S3 server here (${missing}): the bucket and its compliance lock.`);
    return report.counts();
  } finally {
    for (const stop of stops.toReversed()) await stop();
    await stage.close();
  }
}
