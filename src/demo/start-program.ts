import { delay } from "../lib/clock.ts";
import { startTool, type ToolSpec } from "../lib/process.ts";

/** Bounds only a failure: it is long, for machines that are busy. */
const LIMIT_MS = 120_000;
const POLL_MS = 50;

/** A program that goes on beside this one, and all that it has said so far. Its life is bound to ours. */
export interface RunningProgram {
  readonly pid: number;
  /** What came from both of its outputs, in the order in which it came, or from one of them. */
  said(output?: Output): string;
  isRunning(): boolean;
  /** Resolves with the exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Waits until it has said this, or until this holds; ends it and throws what it said when it ends first or takes too long. */
  until(what: string, holds?: () => boolean | Promise<boolean>): Promise<void>;
  /** SIGTERM, which it must obey; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL; resolves when it is gone. */
  kill9(): Promise<void>;
}

type Output = "stdout" | "stderr";

/** `name` is for errors. */
export function startProgram(name: string, spec: Omit<ToolSpec, "stdin" | "onStderrLine">): RunningProgram {
  const heard: { readonly from: Output; readonly text: string }[] = [];
  const tool = startTool({ ...spec, onStderrLine: (line) => heard.push({ from: "stderr", text: `${line}\n` }) });
  if (spec.stdout !== "ignore") tool.stdout.setEncoding("utf8").on("data", (text: string) => heard.push({ from: "stdout", text }));
  let isRunning = true;
  const ended = tool.exited.then(({ code }) => {
    isRunning = false;
    return code;
  });
  const said = (output?: Output): string => heard.filter(({ from }) => output === undefined || from === output).map(({ text }) => text).join("");
  const kill9 = async (): Promise<void> => {
    tool.kill("SIGKILL");
    await ended;
  };
  const until = async (what: string, holds: () => boolean | Promise<boolean> = () => said().includes(what)): Promise<void> => {
    for (const endMs = performance.now() + LIMIT_MS; ; await delay(POLL_MS)) {
      const wasRunning = isRunning;
      if (await holds()) return;
      if (wasRunning && performance.now() < endMs) continue;
      await kill9();
      throw new Error(`${name} ${wasRunning ? `was ended after ${String(LIMIT_MS / 1_000)} s` : "ended"} and this did not come true: ${what}. It said: ${said()}`);
    }
  };
  const stop = async (): Promise<number | null> => {
    tool.kill("SIGTERM");
    await until("it ends when it is told to", () => !isRunning);
    return ended;
  };
  return { pid: tool.pid ?? 0, said, isRunning: () => isRunning, ended, until, stop, kill9 };
}
