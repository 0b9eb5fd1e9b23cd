import { Command as CommanderCommand, CommanderError, Option } from "commander";
import type { Writable } from "node:stream";
import type { Client } from "../client/client.ts";
import { asHoldfastError, ERRORS, HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Command, CommandContext, LocalActions, Way } from "./command.ts";
import { createOutput, type ProgramOutput } from "./output.ts";

/** What the program's root gives to the command line. */
export interface ProgramHost {
  readonly local: LocalActions;
  connect(way: Way): Promise<Client>;
  /** True when the server is another than the one of the configuration. */
  isFar(way: Way): boolean;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly interactive: boolean;
  /** Width of the terminal in characters. */
  readonly columns: number;
  readonly version: string;
  readonly defaultConfigPath: string;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  /** How often a job that is waited for is looked at; twice a second unless told. */
  readonly pollMs?: number;
  /** Told of every error, whole, for the log. */
  onError(error: unknown): void;
}

/** Parses the arguments and runs one command; gives the exit code of the error table. */
export async function runProgram(argv: readonly string[], commands: readonly Command[], host: ProgramHost): Promise<number> {
  const output = createOutput(host, argv.includes("--json"));
  try {
    await buildProgram(commands, host, output).parseAsync([...argv], { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : helpExit(output);
    host.onError(error);
    output.error(error);
    return asHoldfastError(error).row.exit;
  }
}

/** `holdfast` or `holdfast backup` alone: people have just read the help on stderr, programs get an error. */
function helpExit(output: ProgramOutput): number {
  const usage = new HoldfastError("USAGE", "A command is missing.");
  if (output.json) output.error(usage);
  return usage.row.exit;
}

function buildProgram(commands: readonly Command[], host: ProgramHost, output: ProgramOutput): CommanderCommand {
  const program = new CommanderCommand("holdfast")
    .description("Backups that are proven by restore.")
    .version(host.version, "-V, --version", "print the version")
    .option("-c, --config <file>", "configuration file; also $HOLDFAST_CONFIG", host.defaultConfigPath)
    .option("--server <url>", "speak to this server over the network, like https://backup.example.com:7443")
    .option("--token-file <file>", "the token for --server")
    .option("--server-fingerprint <sha256>", "of the certificate of --server, when no authority vouches for it")
    .option("--profile <name>", "server, token and fingerprint from ~/.config/holdfast/profiles.yaml; also $HOLDFAST_PROFILE")
    .option("--json", "print one JSON document on stdout instead of text")
    .addHelpText("after", ROOT_HELP);
  settle(program, host, output);
  program.usage("<command>").helpCommand("help [command]", "show the help of a command");
  const nouns = new Map<string, CommanderCommand>();
  for (const command of commands) {
    const [noun = "", verb] = command.name.split(" ");
    if (verb === undefined) {
      addCommand(program, noun, { command, host, output });
      continue;
    }
    const parent = nouns.get(noun) ?? program.command(noun).usage("<command>").summary(verbsOf(noun, commands));
    if (!nouns.has(noun)) settle(parent, host, output);
    nouns.set(noun, parent);
    addCommand(parent, verb, { command, host, output });
  }
  return program;
}

/** What stands beside a noun in the list of commands. */
function verbsOf(noun: string, commands: readonly Command[]): string {
  const verbs = commands.map(({ name }) => name.split(" ")).filter(([first, verb]) => first === noun && verb !== undefined);
  return verbs.map(([, verb]) => verb).join(", ");
}

const ROOT_HELP = `
\`holdfast <command> --help\` tells more and gives examples. Exit codes: 0 done, 2 wrong words or
configuration, others as docs/errors.md says.

Start here:
  $ holdfast demo                      see it work on a throwaway MariaDB
  $ holdfast key generate daily.key    make a pair of keys for your own backups
  $ holdfast doctor                    try everything your configuration names
  $ holdfast up                        take backups when they are due, ship the log, verify`;

function settle(command: CommanderCommand, host: ProgramHost, output: ProgramOutput): void {
  command
    .exitOverride((error) => {
      const isHelp = error.exitCode === 0 || error.code === "commander.help";
      throw isHelp ? error : usageError(error, pathOf(command));
    })
    .showSuggestionAfterError(true)
    .helpOption("-h, --help", "show this help")
    .configureHelp({ helpWidth: Math.min(host.columns, 110), showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      // Only help comes this way; sentences about wrong usage go through the one place for errors.
      writeErr: (text) => output.json || host.stderr.write(text),
      outputError: () => undefined,
    });
  if (command.parent !== null) command.helpCommand(false);
}

function pathOf(command: CommanderCommand): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

const SUGGESTION = /\n\(Did you mean (?:one of )?(.+)\?\)$/;

function usageError(error: CommanderError, path: string): HoldfastError {
  const [, suggestion] = SUGGESTION.exec(error.message) ?? [];
  const text = error.message.replace(SUGGESTION, "").replace(/^error: /, "");
  const sentence = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return new HoldfastError("USAGE", sentence.endsWith(".") ? sentence : `${sentence}.`, {
    cause: error,
    hint: suggestion === undefined ? helpOf(path) : `Did you mean ${suggestion}? ${helpOf(path)}`,
  });
}

/** A command that refuses its own options does not know its name; the person wants the help of that command. */
function withOwnHelp(error: unknown, path: string): unknown {
  if (!isHoldfastError(error, "USAGE") || error.hint !== ERRORS.USAGE.hint) return error;
  return new HoldfastError("USAGE", error.message, { cause: error, hint: helpOf(path), details: error.details });
}

const helpOf = (path: string): string => `See \`${path} --help\`.`;

interface Built {
  readonly command: Command;
  readonly host: ProgramHost;
  readonly output: ProgramOutput;
}

function addCommand(parent: CommanderCommand, name: string, { command, host, output }: Built): void {
  const built = parent.command(name, { isDefault: command.isDefault === true }).description(command.summary);
  settle(built, host, output);
  for (const argument of command.arguments ?? []) {
    const name = argument.isList === true ? `${argument.name}...` : argument.name;
    built.argument(argument.optional === true ? `[${name}]` : `<${name}>`, argument.description);
  }
  for (const spec of command.options ?? []) {
    const option = new Option(spec.flags, spec.description);
    if (spec.default !== undefined) option.default(spec.default);
    if (spec.choices !== undefined) option.choices(spec.choices);
    if (spec.required === true) option.makeOptionMandatory();
    built.addOption(option);
  }
  if (command.examples !== undefined) built.addHelpText("after", `\nExamples:\n${command.examples.map((example) => `  $ ${example}`).join("\n")}`);
  built.action(async (...received: unknown[]) => {
    try {
      const { args, list } = wordsOf(command, received);
      await command.run(contextOf(built, host, output), args, built.opts(), list);
    } catch (error) {
      throw withOwnHelp(error, pathOf(built));
    }
  });
}

function wordsOf({ arguments: named = [] }: Command, received: readonly unknown[]): { args: Record<string, string | undefined>; list: readonly string[] } {
  const listAt = named.findIndex(({ isList }) => isList === true);
  const args = named.flatMap(({ name }, index) => (index === listAt ? [] : [[name, received[index] as string | undefined] as const]));
  return { args: Object.fromEntries(args), list: listAt === -1 ? [] : (received[listAt] as string[]) };
}

function contextOf(built: CommanderCommand, host: ProgramHost, output: ProgramOutput): CommandContext {
  const way: Way = built.optsWithGlobals();
  let client: Promise<Client> | undefined;
  return {
    client: () => (client ??= host.connect(way)),
    isFar: host.isFar(way),
    local: host.isFar(way) ? onlyHere(host.local) : host.local,
    output,
    columns: host.columns,
    configPath: way.config,
    way,
    signal: host.signal,
    nowMs: host.nowMs,
    pollMs: host.pollMs ?? 500,
  };
}

/** With a server far away, what must happen on this machine is refused: it would be done to the wrong one. Files are read here all the same, and an agent joins the server that is named. */
function onlyHere(local: LocalActions): LocalActions {
  const refuse = (): Promise<never> => Promise.reject(new HoldfastError("USAGE", "This command works on this machine only; leave out --server and --profile (and $HOLDFAST_PROFILE)."));
  return { ...local, up: refuse, server: refuse, gateway: refuse, agentRun: refuse, agentRotate: refuse, demo: refuse, doctor: refuse, keyGenerate: refuse, keyCheck: refuse, catalogRebuild: refuse, recover: refuse };
}
