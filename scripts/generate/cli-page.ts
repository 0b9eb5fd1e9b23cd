import type { Command, OptionSpec } from "../../src/cli/command.ts";
import { commands } from "../../src/cli/index.ts";
import { ERRORS, type ErrorRow } from "../../src/lib/errors.ts";
import { tableCell } from "./table-cell.ts";

const INTRODUCTION = `<!-- Generated from the commands in src/cli/ and ERRORS in src/lib/errors.ts by \`npm run generate\`; do not edit. -->

# Commands

\`holdfast <command> --help\` says the same on the screen. \`holdfast completion bash\` (or \`zsh\`, \`fish\`) prints a script
that completes commands and options in your shell.

Every command also takes:

| option | meaning |
|---|---|
| \`-c, --config <file>\` | the configuration file; without it \`$HOLDFAST_CONFIG\`, else \`holdfast.yaml\` in the current directory |
| \`--json\` | print one JSON document on stdout instead of text: the result, or \`{"error": {"code", "message", "hint", "details"}}\` |
| \`-h, --help\` | show the command's help |

Results go to stdout; progress, notes and errors go to stderr. With \`--json\` an error is the document on stdout; only when
the result has been printed already (a verification that failed, a check that found something) does the error stand on
stderr, and the exit code tells. While \`holdfast up\` runs, commands speak to it over the Unix socket in its state
directory; otherwise they do the same work in their own process, which then lasts until the work is done.

## Exit codes

| exit | meaning |
|---:|---|
| 0 | done |
`;

/** docs/cli.md: every command, for those who look for one. */
export function cliPage(): string {
  return `${INTRODUCTION}${exitRows()}\nWhat to do about each code stands in [errors.md](errors.md).\n\n${commands.map(section).join("\n")}`;
}

function exitRows(): string {
  const byExit = Map.groupBy(Object.entries<ErrorRow>(ERRORS), ([, row]) => row.exit);
  const rows = [...byExit].sort(([a], [b]) => a - b);
  return rows.map(([exit, errors]) => `| ${String(exit)} | ${errors.map(([code]) => `\`${code}\``).join(", ")} |\n`).join("");
}

function section(command: Command): string {
  const parts = [`## holdfast ${command.name}\n`, `${command.summary}\n`, `\`\`\`\n${usage(command)}\n\`\`\`\n`];
  const rows = [
    ...(command.arguments ?? []).map(({ name, description, optional }) => [`\`${name}\``, `${description}${optional === true ? " (may be left out)" : ""}`]),
    ...(command.options ?? []).map((option) => [`\`${option.flags}\``, optionText(option)]),
  ];
  if (rows.length > 0) parts.push(`| | |\n|---|---|\n${rows.map((cells) => `| ${cells.map((cell) => tableCell(cell ?? "")).join(" | ")} |\n`).join("")}`);
  if (command.examples !== undefined) parts.push(`\`\`\`sh\n${command.examples.join("\n")}\n\`\`\`\n`);
  return parts.join("\n");
}

function usage({ name, arguments: words = [], options = [] }: Command): string {
  const required = options.filter((option) => option.required === true).map(({ flags }) => flags);
  const rest = options.length > required.length ? ["[options]"] : [];
  const named = words.map(({ name: word, isList, optional }) => (optional === true ? `[${word}]` : `<${word}${isList === true ? "..." : ""}>`));
  return ["holdfast", name, ...named, ...required, ...rest].join(" ");
}

function optionText({ description, choices, default: preset, required }: OptionSpec): string {
  const facts = [
    ...(required === true ? ["required"] : []),
    ...(choices === undefined ? [] : [`one of ${choices.map((choice) => `\`${choice}\``).join(", ")}`]),
    ...(preset === undefined ? [] : [`default \`${String(preset)}\``]),
  ];
  return facts.length === 0 ? description : `${description} (${facts.join("; ")})`;
}
