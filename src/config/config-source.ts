import { type Document, isMap, isPair, isScalar, isSeq, LineCounter, type Pair, parseDocument } from "yaml";

/** A YAML text with the line of every key, so that a fault can be shown where it stands. */
export interface ConfigSource {
  readonly value: unknown;
  /** What makes the text no YAML at all, with lines. */
  readonly syntaxFaults: readonly { line: number; message: string }[];
  /** Line of the key at this path, or of the nearest key above it that exists. */
  lineOf(path: readonly string[]): number;
}

const ALIAS_LIMIT = 100;

export function readConfigSource(text: string): ConfigSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const lineAt = (offset: number): number => Math.max(lines.linePos(offset).line, 1);
  const written = document.errors.map((error) => ({ line: lineAt(error.pos[0]), message: error.message }));
  // A text with faults has no value: half of a configuration is none.
  const { value, faults } = written.length > 0 ? { value: {}, faults: [] } : valueOf(document);
  return {
    value,
    syntaxFaults: [...written, ...faults.map((message) => ({ line: 1, message }))],
    lineOf: (path) => lineAt(offsetOf(document.contents, path)),
  };
}

/** Aliases are only looked up here: to an anchor that is not there, that holds the alias itself, or too many of them. */
function valueOf(document: Document): { value: unknown; faults: string[] } {
  try {
    const value = (document.toJS({ maxAliasCount: ALIAS_LIMIT }) as unknown) ?? {};
    return holdsItself(value) ? { value: {}, faults: ["An alias stands inside of what it stands for"] } : { value, faults: [] };
  } catch (error) {
    return { value: {}, faults: [(error as Error).message] };
  }
}

function holdsItself(value: unknown, above: ReadonlySet<unknown> = new Set()): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (above.has(value)) return true;
  const within = new Set(above).add(value);
  return Object.values(value).some((inner) => holdsItself(inner, within));
}

function offsetOf(root: unknown, path: readonly string[]): number {
  let node = root;
  let offset = 0;
  for (const key of path) {
    const next = step(node, key);
    if (next === null) return offset;
    offset = next.offset ?? offset;
    node = next.node;
  }
  return offset;
}

function step(node: unknown, key: string): { node: unknown; offset: number | undefined } | null {
  if (isMap(node)) {
    const pair: Pair | undefined = node.items.find((item) => isPair(item) && keyText(item) === key);
    return pair === undefined ? null : { node: pair.value, offset: startOf(pair.key) };
  }
  if (isSeq(node)) {
    const item = node.items[Number(key)];
    return item === undefined ? null : { node: item, offset: startOf(item) };
  }
  return null;
}

function keyText(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
}

function startOf(node: unknown): number | undefined {
  const range = (node as { range?: readonly number[] | null } | null)?.range;
  return range?.[0];
}
