/**
 * Types and lint over one program: what the compiler has found out about the types, the linter's rules need not find
 * out again, which is half of their work. Prints a line for each, with the faults; the exit code is how many of the two
 * failed. `npm run typecheck` and `npm run lint` do the same one by one.
 */
import { resolve } from "node:path";
import { ESLint } from "eslint";
import ts from "typescript";

const ROOT = resolve(import.meta.dirname, "..");

/** What is wrong, for people to read; empty when nothing is. */
type Faults = string;

const FORMAT: ts.FormatDiagnosticsHost = {
  getCanonicalFileName: (name) => name,
  getCurrentDirectory: () => ROOT,
  getNewLine: () => "\n",
};

function readProgram(): ts.Program {
  const host: ts.ParseConfigFileHost = {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (fault) => {
      throw new Error(ts.formatDiagnostic(fault, FORMAT));
    },
  };
  const config = ts.getParsedCommandLineOfConfigFile(resolve(ROOT, "tsconfig.json"), {}, host);
  if (config === undefined) throw new Error("tsconfig.json cannot be read.");
  return ts.createProgram({ rootNames: config.fileNames, options: config.options, configFileParsingDiagnostics: config.errors });
}

function checkTypes(program: ts.Program): Faults {
  return ts.formatDiagnostics(ts.getPreEmitDiagnostics(program), FORMAT);
}

async function lint(program: ts.Program): Promise<Faults> {
  const eslint = new ESLint({
    cwd: ROOT,
    overrideConfig: [{ files: ["**/*.{ts,tsx}"], languageOptions: { parserOptions: { projectService: false, programs: [program] } } }],
  });
  const formatter = await eslint.loadFormatter("stylish");
  const results = await eslint.lintFiles(["."]);
  return formatter.format(results);
}

async function report(name: string, check: () => Faults | Promise<Faults>): Promise<number> {
  const startedMs = performance.now();
  const faults = await check();
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(`${faults === "" ? "ok  " : "FAIL"} ${name} (${seconds} s)\n${faults}`);
  return faults === "" ? 0 : 1;
}

const program = readProgram();
process.exitCode = (await report("types", () => checkTypes(program))) + (await report("lint", () => lint(program)));
