import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { createOutput } from "./output.ts";

function screen(options: { json?: boolean; interactive?: boolean; columns?: number } = {}) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let nowMs = 0;
  const output = createOutput({ stdout, stderr, interactive: options.interactive ?? false, columns: options.columns ?? 80, nowMs: () => nowMs }, options.json ?? false);
  const read = (stream: PassThrough): string => String((stream.read() as Buffer | null) ?? "");
  return { output, stdout: () => read(stdout), stderr: () => read(stderr), wait: (ms: number) => (nowMs += ms) };
}

describe("progress", () => {
  it("writes over itself on a terminal and is gone before the result", () => {
    const { output, stdout, stderr } = screen({ interactive: true });
    output.progress("one");
    output.progress("two");
    output.result({}, "done");
    expect(stderr()).toBe("\r\u001b[Kone\r\u001b[Ktwo\r\u001b[K");
    expect(stdout()).toBe("done\n");
  });

  it("never wraps, so that it can be written over", () => {
    const { output, stderr } = screen({ interactive: true, columns: 10 });
    output.progress("copying · 1.00 GiB of about 3.00 GiB");
    expect(stderr()).toBe("\r\u001b[Kcopying ·");
  });

  it("is a line every ten seconds where there is no terminal, on stderr only", () => {
    const { output, stdout, stderr, wait } = screen();
    output.progress("one");
    wait(9_999);
    output.progress("two");
    wait(1);
    output.progress("three\u001b[2J");
    expect(stderr()).toBe("one\nthree\\x1b[2J\n");
    expect(stdout()).toBe("");
  });

  it("and notes are silent with --json", () => {
    const { output, stdout, stderr } = screen({ json: true, interactive: true });
    output.progress("one");
    output.note("by the way");
    expect(stderr() + stdout()).toBe("");
  });
});

describe("a result", () => {
  it("is text for people, its lines kept and everything else that moves a cursor made visible", () => {
    const { output, stdout } = screen();
    output.result({ secret: 1 }, "a\u001b[31m\nb\r");
    expect(stdout()).toBe("a\\x1b[31m\nb\\x0d\n");
  });

  it("is a document for programs, in which names stand as they are", () => {
    const { output, stdout } = screen({ json: true });
    output.result({ name: "a\u001b[31m\n" }, "text");
    expect(JSON.parse(stdout())).toEqual({ name: "a\u001b[31m\n" });
  });

  it("of no words prints nothing", () => {
    const { output, stdout } = screen();
    output.result({}, "");
    expect(stdout()).toBe("");
  });
});
