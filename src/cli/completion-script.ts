import type { Command } from "./command.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** Words that may follow `holdfast`, and those that may follow each noun. */
function vocabulary(commands: readonly Command[]): Map<string, string[]> {
  const words = new Map<string, string[]>();
  for (const { name } of commands) {
    const [noun = "", verb] = name.split(" ");
    words.set(noun, [...(words.get(noun) ?? []), ...(verb === undefined ? [] : [verb])]);
  }
  return words;
}

const flagsOf = (command: Command): string[] => [...(command.options ?? []).map(({ flags }) => flags.split(/[ ,]/)[0] ?? ""), "--config", "--server", "--token-file", "--server-fingerprint", "--profile", "--json", "--help"];

export function completionScript(shell: Shell, commands: readonly Command[]): string {
  if (shell === "fish") return fishScript(commands);
  const bash = bashScript(commands);
  return shell === "zsh" ? `#compdef holdfast\nautoload -U +X bashcompinit && bashcompinit\n${bash}` : bash;
}

function bashScript(commands: readonly Command[]): string {
  const words = vocabulary(commands);
  const verbs = [...words].filter(([, each]) => each.length > 0).map(([noun, each]) => `    ${noun}) words="${each.join(" ")}" ;;`);
  // A command of one word may be followed by anything.
  const pattern = ({ name }: Command): string => (name.includes(" ") ? `"${name}"` : `"${name} "*`);
  const flags = commands.map((command) => `      ${pattern(command)}) words="${flagsOf(command).join(" ")}" ;;`);
  return `_holdfast() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then words="${[...words.keys()].join(" ")} --help --version"
  elif [ "\${current#-}" != "$current" ]; then
    case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${flags.join("\n")}
      *) words="--config --json --help" ;;
    esac
  elif [ "$COMP_CWORD" -eq 2 ]; then case "\${COMP_WORDS[1]}" in
${verbs.join("\n")}
  esac
  fi
  COMPREPLY=()
  # Words hold no spaces; where none fit, the shell completes file names.
  if [ -n "$words" ]; then COMPREPLY=( $(compgen -W "$words" -- "$current") ); fi
}
complete -o default -F _holdfast holdfast`;
}

function fishScript(commands: readonly Command[]): string {
  const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const nouns = [...vocabulary(commands)].filter(([, verbs]) => verbs.length > 0);
  const lines = nouns.map(([noun, verbs]) => `complete -c holdfast -n __fish_use_subcommand -a ${noun} -d ${quote(verbs.join(", "))}`);
  for (const command of commands) {
    const [noun = "", verb] = command.name.split(" ");
    const description = quote(command.summary);
    if (verb === undefined) lines.push(`complete -c holdfast -n __fish_use_subcommand -a ${noun} -d ${description}`);
    else lines.push(`complete -c holdfast -n '__fish_seen_subcommand_from ${noun}' -a ${verb} -d ${description}`);
  }
  return lines.join("\n");
}
