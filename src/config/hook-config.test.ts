import { describe, expect, test } from "vitest";
import { parseAgentConfig } from "./agent-config.ts";
import { parseConfig } from "./config.ts";
import { isHoldfastError } from "../lib/errors.ts";

const AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

const upYaml = (hooks: string, policy: string, pool = ""): string => `keys: { recipients: [${AGE}] }
repositories:
  main: { kind: local, options: { path: backups } }
policies:
  daily:
    full: { every: 6h }
    repository: main
    hooks: ${policy}
instances:
  shop: { engine: mysql, connection: { socket: /run/s.sock, user: backup }, policy: daily${pool} }
hooks: ${hooks}
`;
const agentYaml = (hooks: string): string => `stateDir: state
recipients: [${AGE}]
instances: {}
repositories: {}
hooks: ${hooks}
`;

function faultsOf(parse: () => unknown): string[] {
  try {
    parse();
    return [];
  } catch (error) {
    if (!isHoldfastError(error, "CONFIG_INVALID")) throw error;
    return error.details["faults"] as string[];
  }
}

const pause = '{ pause: { command: ["/usr/local/bin/pause", "two words"] }, resume: { command: [/usr/local/bin/resume], timeout: 30s } }';
const read = { pause: { command: ["/usr/local/bin/pause", "two words"], timeout: 300_000 }, resume: { command: ["/usr/local/bin/resume"], timeout: 30_000 } };
const up = (text: string): ReturnType<typeof parseConfig> => parseConfig(text, "/etc/h.yaml", {});

describe("hooks", () => {
  test("have one form in both files", () => {
    expect(parseAgentConfig(agentYaml(pause), "/etc/a.yaml").hooks).toEqual(read);
    const config = up(upYaml(pause, "{ beforeBackup: [pause], afterBackup: [resume] }"));
    expect([config.hooks, config.policies["daily"]?.hooks]).toEqual([read, { beforeBackup: ["pause"], afterBackup: ["resume"] }]);
  });

  test("are none unless told", () => {
    expect(parseAgentConfig(agentYaml("{}").replace("hooks: {}\n", ""), "/etc/a.yaml").hooks).toEqual({});
    const config = up(upYaml("{}", "{}").replace(/ *hooks: \{\}\n/g, ""));
    expect([config.hooks, config.policies["daily"]?.hooks]).toEqual([{}, undefined]);
  });

  test.each([
    ["{ a: { command: [a.sh, x] } }", 'hooks.a.command.0: "a.sh" is not an absolute path; write the program\'s whole path, for example /usr/local/bin/a.sh'],
    ["{ a: { command: [./bin/a.sh] } }", 'hooks.a.command.0: "./bin/a.sh" is not an absolute path; write the program\'s whole path, for example /usr/local/bin/a.sh'],
    ["{ a: { command: [] } }", "hooks.a.command: the value is less than the smallest that is allowed, 1"],
    ["{ a: { command: [/bin/a, \"b\\0c\"] } }", 'hooks.a.command.1: "b\\u0000c" has a NUL in it, which no command line can hold'],
    ["{ a: { command: [/bin/a], timeout: 0s } }", 'hooks.a.timeout: "0s" is refused: must be more than nothing and at most 24h'],
    ["{ a: { command: [/bin/a], timeout: 2d } }", 'hooks.a.timeout: "2d" is refused: must be more than nothing and at most 24h'],
  ])("%s is refused by name", (hooks, says) => {
    expect(faultsOf(() => parseAgentConfig(agentYaml(hooks), "/etc/a.yaml"))).toEqual([`/etc/a.yaml:5: ${says}`]);
    expect(faultsOf(() => up(upYaml(hooks, "{}")))).toEqual([`/etc/h.yaml:11: ${says}`]);
  });

  test("that a policy names must stand in the configuration, with the line of what does not", () => {
    const policy = "{ beforeBackup: [pause, wipe], afterBackup: [resme] }";
    expect(faultsOf(() => up(upYaml(pause, policy)))).toEqual([
      '/etc/h.yaml:8: policies.daily.hooks.beforeBackup.1: there is no hook "wipe"; known: pause, resume',
      '/etc/h.yaml:8: policies.daily.hooks.afterBackup.0: there is no hook "resme"; did you mean resume? Known: pause, resume',
    ]);
    expect(faultsOf(() => up(upYaml("{}", "{ beforeBackup: [wipe] }", ", pool: local")))).toEqual(['/etc/h.yaml:8: policies.daily.hooks.beforeBackup.0: there is no hook "wipe"; none is defined']);
    // Also before it serves anything.
    expect(faultsOf(() => up(upYaml(pause, policy).replace(/ {2}shop: .*\n/, "  {}\n")))).toHaveLength(2);
  });

  test("of a policy whose instances are all served by agents of other machines are theirs", () => {
    const elsewhere = upYaml("{}", "{ beforeBackup: [wipe] }", ", pool: berlin");
    expect(faultsOf(() => up(elsewhere))).toEqual([]);
    const one = "  books: { engine: mysql, connection: { socket: /run/b.sock, user: backup }, policy: daily }\n";
    expect(faultsOf(() => up(elsewhere.replace("hooks: {}\n", `${one}hooks: {}\n`)))).toHaveLength(1);
  });

  test("run once each: a policy that names one twice is refused", () => {
    expect(faultsOf(() => up(upYaml(pause, "{ afterBackup: [pause, pause] }")))).toEqual(["/etc/h.yaml:8: policies.daily.hooks.afterBackup: has one name twice; each hook runs once"]);
  });

  test("may call the command line, which knows their variables", () => {
    expect(parseConfig(upYaml(pause, "{}"), "/etc/h.yaml", { HOLDFAST_HOOK: "pause", HOLDFAST_STATUS: "ok" }).stateDir).toBe("/etc/holdfast-state");
    expect(faultsOf(() => parseConfig(upYaml(pause, "{}"), "/etc/h.yaml", { HOLDFAST_HOOKS: "pause" }))).toHaveLength(1);
  });
});
