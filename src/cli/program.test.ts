import { describe, expect, it } from "vitest";
import { type CliOptions, runCli } from "../../test/fakes/cli.ts";
import { checked, id, instance, job, probe, succeeded, verified } from "../../test/fakes/cli-documents.ts";
import { ERRORS, type ErrorCode, HoldfastError } from "../lib/errors.ts";
import { commands } from "./index.ts";

const shop = { "instances.show": { instance: instance(), probe: null } };

describe("wrong usage", () => {
  it.each<[string, string[], string, string]>([
    ["a misspelt noun", ["bakup", "list"], "Unknown command 'bakup'.", "Did you mean backup?"],
    ["a misspelt verb", ["backup", "lst"], "Unknown command 'lst'.", "Did you mean list? See `holdfast backup --help`."],
    ["a misspelt option", ["backup", "run", "shop", "--knd", "full"], "Unknown option '--knd'.", "Did you mean --kind? See `holdfast backup run --help`."],
    ["a missing argument", ["backup", "run"], "Missing required argument 'instance'.", "See `holdfast backup run --help`."],
    ["an argument too many", ["job", "show", "a", "b"], "got 2: a, b", "See `holdfast job show --help`."],
    ["a missing option", ["backup", "hold", id(1)], "--reason", "See `holdfast backup hold --help`."],
    ["a choice that is none", ["backup", "run", "shop", "--kind", "tiny"], "'tiny' is invalid. Allowed choices are auto, full, incremental.", "backup run --help"],
    ["a limit that is no number", ["backup", "list", "--limit", "many"], '--limit is "many", which is not a whole number from 1 to 100000.', "backup list --help"],
    ["a limit of nothing", ["job", "list", "--limit", "0"], '--limit is "0"', "job list --help"],
    ["a size that is no number", ["demo", "--size-mb", "-1"], '--size-mb is "-1"', "demo --help"],
    ["no goal", ["restore", "plan", "shop"], "Exactly one of --to, --gtid, --position, --latest and --backup is needed; 0 were given.", "restore plan --help"],
    ["two goals", ["restore", "plan", "shop", "--latest", "--gtid", "0-1-2"], "2 were given", "restore plan --help"],
    ["a position that is none", ["restore", "plan", "shop", "--position", "4711"], '--position is "4711"', "restore plan --help"],
    ["no target", ["restore", "run", "shop", "--latest"], "--target-dir <directory>", "restore run --help"],
    ["a table without --sql or --into", ["restore", "run", "shop", "--latest", "--table", "a.b"], "exactly one of --sql <file> and --into <connection>", "restore run --help"],
    ["a table with both", ["restore", "run", "shop", "--latest", "--table", "a.b", "--sql", "x", "--into", "{}"], "exactly one of", "restore run --help"],
    ["a table with a directory", ["restore", "run", "shop", "--latest", "--table", "a.b", "--target-dir", "x"], "not with --target-dir", "restore run --help"],
    ["--sql without a table", ["restore", "run", "shop", "--latest", "--sql", "x"], "--sql and --into need --table", "restore run --help"],
    ["a table name that is none", ["restore", "run", "shop", "--latest", "--table", "orders", "--sql", "x"], '--table is "orders"', "restore run --help"],
    ["a connection that is no JSON", ["restore", "run", "shop", "--latest", "--table", "a.b", "--into", "host"], "--into is not a connection", "passwordFile"],
    ["a shell that is none", ["completion", "tcsh"], '"tcsh" is not one of bash, zsh, fish.', "completion --help"],
  ])("%s is refused in a sentence, before the server is asked, with exit code 2", async (_what, argv, sentence, hint) => {
    const ran = await runCli(argv);
    expect(ran).toMatchObject({ code: 2, stdout: "", calls: [] });
    expect(ran.stderr).toContain(sentence);
    expect(ran.stderr).toContain(hint);
    expect(ran.stderr).toMatch(/^holdfast: [A-Z"-].*\.\n/);
  });

  it("of a time names the text and the zone", async () => {
    const ran = await runCli(["restore", "plan", "shop", "--to", "yesterday"], { answers: shop });
    expect(ran.code).toBe(ERRORS.INPUT_INVALID.exit);
    expect(ran.stderr).toContain('"yesterday" is not a time');
    expect(ran.stderr).toContain("Europe/Berlin");
  });

  it("is one JSON document with --json, wherever that stands", async () => {
    for (const argv of [["--json", "backup", "lst"], ["backup", "--json"], ["backup", "list", "--limit", "x", "--json"]]) {
      const ran = await runCli(argv);
      expect(ran).toMatchObject({ code: 2, stderr: "" });
      expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: "USAGE" } });
    }
  });
});

describe("an error", () => {
  it.each(Object.keys(ERRORS) as ErrorCode[])("%s ends the command with the exit code of its row", async (code) => {
    const error = new HoldfastError(code, "Something is wrong with shop.");
    const options = { answers: { "instances.list": error } };
    const ran = await runCli(["instance", "list"], options);
    expect(ran).toMatchObject({ code: ERRORS[code].exit, stdout: "", errors: [{ code, message: error.message }] });
    expect(ran.stderr).toBe(`holdfast: Something is wrong with shop.\n  ${hintOf(code, "instance list")}\n  [${code}]\n`);
    const asJson = await runCli(["instance", "list", "--json"], options);
    expect(JSON.parse(asJson.stdout)).toMatchObject({ error: { code, message: error.message } });
    expect(asJson.stderr).toBe("");
  });

  it("that nobody foresaw is INTERNAL and goes to the log whole", async () => {
    const ran = await runCli(["instance", "list"], { answers: { "instances.list": new TypeError("x is not a function") } });
    expect(ran.code).toBe(ERRORS.INTERNAL.exit);
    expect(ran.errors[0]).toBeInstanceOf(TypeError);
  });

  it("after a result leaves the result as the only document", async () => {
    const failed = { "backups.verify": { job: job() }, "jobs.show": { job: succeeded(verified("failed")) } };
    const problems = [{ key: "x/000000.zst.age", owner: `backup:${id(1)}`, problem: "hash" as const, detail: "its SHA-256 is another" }];
    const damaged = { "repositories.check": { job: job(), continued: null }, "jobs.show": { job: succeeded(checked({ problems })) } };
    const unfit = { "instances.probe": { job: job() }, "jobs.show": { job: succeeded(probe([{ level: "error", code: "x", message: "The binary log is off.", remedy: "Set log_bin." }])) } };
    const diagnosis = { subject: "configuration", status: "error" as const, message: "holdfast.yaml is missing", remedy: "Write one." };
    const cases: [ErrorCode, string[], CliOptions][] = [
      ["VERIFICATION_FAILED", ["backup", "verify", id(1)], { answers: failed }],
      ["OBJECT_DAMAGED", ["repository", "check", "main"], { answers: damaged }],
      ["DATABASE_UNSUITABLE", ["instance", "probe", "shop"], { answers: unfit }],
      ["REFUSED", ["doctor"], { local: { doctor: () => Promise.resolve([diagnosis]) } }],
      ["KEY_WRONG", ["key", "check"], { local: { keyCheck: () => Promise.resolve([diagnosis]) } }],
    ];
    for (const [code, argv, options] of cases) {
      const ran = await runCli([...argv, "--json"], options);
      expect(ran.code).toBe(ERRORS[code].exit);
      expect(JSON.parse(ran.stdout)).not.toHaveProperty("error");
      expect(ran.stderr).toContain(`[${code}]`);
    }
  });

  it("cannot send escape sequences to the terminal", async () => {
    const error = new HoldfastError("CONFIG_INVALID", "a.yaml:1: x\u001b[2J\na.yaml:2: y\r");
    const { stderr } = await runCli(["instance", "list"], { answers: { "instances.list": error } });
    expect(stderr).toContain("x\\x1b[2J\na.yaml:2: y\\x0d");
    expect(stderr).not.toContain("\u001b");
    expect(stderr).not.toContain("\r");
  });
});

describe("help", () => {
  it("of the program names every noun with its verbs and where to start, on stdout", async () => {
    const ran = await runCli(["--help"]);
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    for (const { name } of commands) for (const word of name.split(" ")) expect(ran.stdout).toContain(word);
    expect(ran.stdout).toMatch(/backup +run, list, show, verify, reseal, hold, release\n/);
    expect(ran.stdout).toContain("$ holdfast doctor");
  });

  it.each([[[]], [["backup"]], [["restore"]], [["--config", "x.yaml"]]])("is what %j alone prints, on stderr and with exit code 2", async (argv: string[]) => {
    const ran = await runCli(argv);
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    const asked = await runCli([...argv, "--help"]);
    expect(asked).toMatchObject({ code: 0, stdout: ran.stderr });
  });

  it.each(commands.map(({ name }) => [name]))("of %s names its arguments and options, within the terminal", async (name) => {
    const command = commands.find((each) => each.name === name)!;
    const { code, stdout } = await runCli([...name.split(" "), "--help"], { columns: 80 });
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: holdfast ${name}`);
    expect(stdout.replaceAll(/\s+/g, " ")).toContain(command.summary);
    for (const option of command.options ?? []) expect(stdout).toContain(option.flags);
    for (const example of command.examples ?? []) expect(stdout).toContain(`$ ${example}`);
    const withoutExamples = stdout.replace(/\nExamples:[\s\S]*/, "");
    for (const line of withoutExamples.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  it("prints the version", async () => {
    expect(await runCli(["--version"])).toMatchObject({ code: 0, stdout: "1.2.3\n", stderr: "" });
  });
});

describe("every example", () => {
  const examples = commands.flatMap(({ examples = [], name }) => examples.map((example) => [name, example] as const));

  it.each(examples)("of %s is understood: %s", async (name, example) => {
    const words = wordsOf(example.replace(/ [>|].*$/, ""));
    expect(words[0]).toBe("holdfast");
    expect(words.slice(1).join(" ")).toMatch(new RegExp(`^(-\\S+ \\S+ )*${name}`));
    const ran = await runCli(words.slice(1), { answers: shop });
    expect(ran.stderr).not.toContain("[USAGE]");
    expect(ran.stderr).not.toContain("[INPUT_INVALID]");
  });
});

/** A hint names the command's own help; the table's names the program's. */
function hintOf(code: ErrorCode, command: string): string {
  return code === "USAGE" ? `See \`holdfast ${command} --help\`.` : ERRORS[code].hint;
}

/** Splits as a shell does, as far as the examples need it. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, double, single, plain]) => double ?? single ?? plain ?? "");
}
