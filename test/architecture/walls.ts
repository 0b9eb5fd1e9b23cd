/**
 * The arrows of ARCHITECTURE.md as data, and the functions that find where code breaks them. They work on sources in
 * memory, so that test/architecture.test.ts can also show that each of them catches what it is there for.
 */
import { posix } from "node:path";
import ts from "typescript";

/** Path from the root of the repository -> text. */
export type Sources = ReadonlyMap<string, string>;

const FAMILY = ["lib", "model"];

/** Folder of src/ -> the folders of src/ it may import besides itself. Types obey it too. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  model: ["lib"],
  engines: FAMILY,
  storage: FAMILY,
  pack: FAMILY,
  keys: FAMILY,
  notify: FAMILY,
  catalog: FAMILY,
  queue: FAMILY,
  client: ["lib", "model"],
  config: [...FAMILY, "engines", "storage", "keys"],
  jobs: ["lib", "model", "engines", "storage", "pack", "keys"],
  agent: ["lib", "model", "client", "queue", "jobs", "engines", "storage"],
  control: ["lib", "model", "catalog", "queue", "storage", "notify"],
  server: ["lib", "model", "control", "catalog", "queue", "engines", "storage", "notify", "keys", "pack"],
  cli: ["lib", "model", "client"],
  demo: ["lib", "model", "client", "engines"],
};

/** Families with one driver per file or folder. Only the family's list knows a driver's folder. */
const DRIVER_FAMILIES = ["engines", "storage", "notify", "queue"];

const DRAWERS = /(?:^|-)(?:utils?|helpers?|common|managers?|misc)(?:-|$)/i;
const MAX_LINES = 400;

interface Import {
  readonly from: string;
  /** Path of the imported file, from the root of the repository. */
  readonly to: string;
  /** False for `import type`, which is gone when the program runs. */
  readonly isValue: boolean;
}

/** Imports that go up, sideways, out of src/, or into a folder nobody has given a place. */
export function wallsBroken(sources: Sources): string[] {
  return inSrc(sources)
    .flatMap(importsOf)
    .flatMap((edge) => brokenWall(edge) ?? []);
}

function brokenWall({ from, to }: Import): string | undefined {
  const source = roomOf(from);
  const target = roomOf(to);
  if (target.area !== "src") return `${from}: code in src/ must not import ${to}`;
  if (source.folder === "") return undefined;
  const allowed = MAY_IMPORT[source.folder];
  if (allowed === undefined) return `${from}: src/${source.folder}/ has no row in MAY_IMPORT of test/architecture/walls.ts`;
  if (target.folder === "") return `${from}: nothing in a folder may import ${to}`;
  if (source.folder !== target.folder && !allowed.includes(target.folder)) {
    return `${from}: ${source.folder} must not import ${target.folder} (${to})`;
  }
  return brokenDriverWall(from, to);
}

/** Lists beside a family's index.ts: of what else its drivers offer. */
const OTHER_LISTS = ["src/storage/ways.ts"];

/** A driver's folder is for itself and its family's lists. The demo drives the real servers, so it may look inside. */
function brokenDriverWall(from: string, to: string): string | undefined {
  const source = roomOf(from);
  const target = roomOf(to);
  if (target.driver === "" || !DRIVER_FAMILIES.includes(target.folder) || source.folder === "demo") return undefined;
  const isOwn = source.folder === target.folder && source.driver === target.driver;
  const isList = from === `src/${target.folder}/index.ts` || (OTHER_LISTS.includes(from) && source.folder === target.folder);
  return isOwn || isList ? undefined : `${from}: only src/${target.folder}/index.ts may import ${to}`;
}

/** Rings of files that import each other's values, each named once, beginning with its first file by name. */
export function cycles(sources: Sources): string[] {
  const edges = new Map<string, string[]>();
  for (const file of inSrc(sources)) {
    edges.set(file[0], importsOf(file).filter((edge) => edge.isValue).map((edge) => edge.to));
  }
  const found = new Set<string>();
  const done = new Set<string>();
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) {
      found.add(ring(path.slice(path.indexOf(file))));
    } else if (!done.has(file)) {
      for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    }
  };
  for (const file of edges.keys()) visit(file, []);
  return [...found];
}

function ring(files: string[]): string {
  const first = files.indexOf([...files].sort()[0] ?? "");
  const turned = [...files.slice(first), ...files.slice(0, first)];
  return [...turned, turned[0]].join(" -> ");
}

/** Files and folders named for nothing, into which everything would fall. */
export function drawers(sources: Sources): string[] {
  return [...sources.keys()].filter((path) => path.split("/").some((part) => DRAWERS.test(part.replace(/\..*$/, ""))));
}

/** Files besides src/main.ts that end the process. */
export function exits(sources: Sources): string[] {
  return inSrc(sources).filter(([path, text]) => path !== "src/main.ts" && endsProcess(parse(path, text))).map(([path]) => path);
}

export function longFiles(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) => {
    const lines = text.replace(/\n$/, "").split("\n").length;
    return path.startsWith("src/") && lines > MAX_LINES ? [`${path}: ${lines} lines, at most ${MAX_LINES}`] : [];
  });
}

/** Tests stand beside the code but are not part of it: they may use the contract suites and fakes in test/. */
function inSrc(sources: Sources): [path: string, text: string][] {
  return [...sources].filter(([path]) => path.startsWith("src/") && !path.endsWith(".test.ts"));
}

/** `src/engines/mysql/probe.ts` -> src, engines, mysql; `src/main.ts` -> src and no folder. */
function roomOf(path: string): { area: string; folder: string; driver: string } {
  const [area = "", ...folders] = path.split("/").slice(0, -1);
  return { area, folder: folders[0] ?? "", driver: folders[1] ?? "" };
}

function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
}

function importsOf([path, text]: [path: string, text: string]): Import[] {
  const found: Import[] = [];
  const visit = (node: ts.Node) => {
    const specifier = specifierOf(node);
    if (specifier?.startsWith(".")) {
      found.push({ from: path, to: posix.join(posix.dirname(path), specifier), isValue: !isTypeOnly(node) });
    }
    ts.forEachChild(node, visit);
  };
  visit(parse(path, text));
  return found;
}

function specifierOf(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return literal(node.moduleSpecifier);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return literal(node.argument.literal);
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return literal(node.arguments[0]);
  return undefined;
}

function literal(node: ts.Node | undefined): string | undefined {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined;
}

/** `import { type A }` counts as a value: Node still loads the file it names. */
function isTypeOnly(node: ts.Node): boolean {
  if (ts.isImportTypeNode(node)) return true;
  if (ts.isImportDeclaration(node)) return node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
  return ts.isExportDeclaration(node) && node.isTypeOnly;
}

function endsProcess(file: ts.SourceFile): boolean {
  const isExit = (node: ts.Node): boolean =>
    (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "process" && node.name.text === "exit") ||
    (ts.isImportSpecifier(node) && (node.propertyName ?? node.name).text === "exit" && importedFrom(node) === "process");
  const visit = (node: ts.Node): boolean => isExit(node) || ts.forEachChild(node, visit) === true;
  return visit(file);
}

function importedFrom(node: ts.ImportSpecifier): string | undefined {
  let parent: ts.Node = node;
  while (!ts.isImportDeclaration(parent)) parent = parent.parent;
  return literal(parent.moduleSpecifier)?.replace("node:", "");
}
