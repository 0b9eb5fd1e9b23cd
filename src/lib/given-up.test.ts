import { once } from "node:events";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { onGivenUp } from "./given-up.ts";

describe("a stream whose source stalls", () => {
  it("ends its source when it is destroyed, and closes", async () => {
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    async function* stalls(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("first");
      await ended;
    }
    const stream = onGivenUp(Readable.from(stalls(), { objectMode: false }), () => {
      end();
    });
    await once(stream, "readable");
    stream.destroy();
    await once(stream, "close");
    expect(stream.destroyed).toBe(true);
  });

  it("ends with the error that it was destroyed with", async () => {
    const stream = onGivenUp(Readable.from([Buffer.from("a")], { objectMode: false }), () => undefined);
    stream.destroy(new Error("given up"));
    const [error] = (await once(stream, "error")) as [Error];
    expect(error.message).toBe("given up");
  });
});
