import { once } from "node:events";
import type { ClientRequest, IncomingMessage } from "node:http";
import { HoldfastError } from "../lib/errors.ts";
import { readAnswer } from "./answer.ts";
import type { ServerEvent } from "./client.ts";

/** The server gives a sign of life more often than this. */
const SILENT_MS = 45_000;

/** Sends a request and reads the server-sent events of its answer as they come. Throws the server's own error when it refuses, UNREACHABLE when it falls silent. */
export async function* readEvents(call: ClientRequest): AsyncGenerator<ServerEvent> {
  // What breaks later is seen in the answer.
  call.on("error", () => undefined);
  call.setTimeout(SILENT_MS, () => call.destroy(new HoldfastError("UNREACHABLE", "The server has said nothing for too long.")));
  call.end();
  const [answer] = (await once(call, "response")) as [IncomingMessage];
  answer.setEncoding("utf8");
  try {
    if (answer.statusCode !== 200) throw refusalIn(answer.statusCode ?? 0, (await answer.toArray()).join(""));
    let text = "";
    for await (const chunk of answer) {
      const blocks = `${text}${chunk as string}`.split("\n\n");
      text = blocks.pop() ?? "";
      yield* blocks.flatMap(eventIn);
    }
  } finally {
    call.destroy();
  }
}

function refusalIn(status: number, text: string): unknown {
  try {
    readAnswer(status, text);
  } catch (error) {
    return error;
  }
  return new HoldfastError("INTERNAL", `The server answered with status ${String(status)} where events were expected.`);
}

/** Empty for signs of life and other lines that tell nothing. */
function eventIn(block: string): ServerEvent[] {
  const fields = new Map(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trimStart()]));
  const [event, data] = [fields.get("event"), fields.get("data")];
  return event === undefined || data === undefined ? [] : [{ event, data: JSON.parse(data) as unknown }];
}
