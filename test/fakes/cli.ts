import { Writable } from "node:stream";
import type { LocalActions } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/index.ts";
import { runProgram } from "../../src/cli/program.ts";
import type { ServerEvent } from "../../src/client/client.ts";
import { type Client, createClient } from "../../src/client/index.ts";
import { HoldfastError } from "../../src/lib/errors.ts";
import type { Route } from "../../src/model/api/route.ts";
import { NOW } from "./cli-documents.ts";

/** What the server answers to a route, by the route's name: a document, a list of them in turn (the last stays), or an error. */
export type Answers = Readonly<Record<string, unknown>>;

export interface Call {
  readonly route: string;
  readonly input: unknown;
}

/** Records calls and answers from fixtures, through the schemas that the real client and server check. */
export class FakeServer {
  readonly calls: Call[] = [];
  readonly #answers: Answers;
  readonly #turns = new Map<string, number>();

  constructor(answers: Answers, told?: readonly unknown[]) {
    this.#answers = answers;
    if (told !== undefined) this.client = { ...this.client, events: () => tell(told) };
  }

  client: Client = {
    call: async (route, input, signal) => {
      signal?.throwIfAborted();
      this.calls.push({ route: route.name, input });
      const answer = this.#answerOf(route.name);
      if (answer instanceof Error) throw answer;
      return createClient({ request: () => Promise.resolve(answer) }).call(checked(route, input), input);
    },
  };

  #answerOf(name: string): unknown {
    const answer = this.#answers[name];
    if (answer === undefined) return new HoldfastError("INTERNAL", `the test gives no answer to ${name}`);
    if (!Array.isArray(answer)) return answer;
    const turn = this.#turns.get(name) ?? 0;
    this.#turns.set(name, turn + 1);
    return answer[Math.min(turn, answer.length - 1)] as unknown;
  }
}

/** Jobs as the server tells them of its own accord; an error ends it. */
async function* tell(told: readonly unknown[]): AsyncGenerator<ServerEvent> {
  for (const data of told) {
    await Promise.resolve();
    if (data instanceof Error) throw data;
    yield { event: "job", data };
  }
}

/** A body is checked as the server would; query strings carry text and are checked by the server's own tests. */
function checked<Input, Output>(route: Route<Input, Output>, input: Input): Route<Input, Output> {
  if (route.method !== "GET") route.input.parse(input);
  return route;
}

const refuse = (name: string) => () => Promise.reject(new HoldfastError("INTERNAL", `the test did not expect ${name}`));

const NO_ACTIONS: LocalActions = {
  up: refuse("up"),
  gateway: refuse("gateway"),
  server: refuse("server"),
  agentRun: refuse("agentRun"),
  agentJoin: refuse("agentJoin"),
  agentRotate: refuse("agentRotate"),
  demo: refuse("demo"),
  doctor: refuse("doctor"),
  keyholder: refuse("keyholder"),
  keyRotate: refuse("keyRotate"),
  keyLog: refuse("keyLog"),
  keyOrganisation: refuse("keyOrganisation"),
  keySignRecipients: refuse("keySignRecipients"),
  keyGenerate: refuse("keyGenerate"),
  keyCeremony: refuse("keyCeremony"),
  keyFromPaper: refuse("keyFromPaper"),
  keyCheck: refuse("keyCheck"),
  catalogRebuild: refuse("catalogRebuild"),
  recover: refuse("recover"),
  readFile: refuse("readFile"),
};

export interface CliOptions {
  readonly answers?: Answers;
  /** What the server tells of a job that is watched; left out: it cannot. */
  readonly told?: readonly unknown[] | undefined;
  readonly local?: Partial<LocalActions>;
  readonly columns?: number;
  readonly interactive?: boolean;
  readonly signal?: AbortSignal;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly calls: readonly Call[];
  /** Errors that were handed to the log. */
  readonly errors: readonly unknown[];
}

/** Runs the command line as a person would type it, without a process and without a server. */
export async function runCli(argv: readonly string[], { answers = {}, told, local = {}, columns = 100, interactive = false, signal = new AbortController().signal }: CliOptions = {}): Promise<Ran> {
  const server = new FakeServer(answers, told);
  const [stdout, stderr] = [collector(), collector()];
  const errors: unknown[] = [];
  const code = await runProgram(argv, commands, {
    local: { ...NO_ACTIONS, ...local },
    connect: () => Promise.resolve(server.client),
    isFar: ({ server: url }) => url !== undefined,
    stdout: stdout.stream,
    stderr: stderr.stream,
    interactive,
    columns,
    version: "1.2.3",
    defaultConfigPath: "holdfast.yaml",
    signal,
    nowMs: () => Date.parse(NOW),
    pollMs: 1,
    onError: (error) => errors.push(error),
  });
  return { code, stdout: stdout.text(), stderr: stderr.text(), calls: server.calls, errors };
}

function collector(): { stream: Writable; text: () => string } {
  let text = "";
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString("utf8");
      done();
    },
  });
  return { stream, text: () => text };
}

