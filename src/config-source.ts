import { isMap, isPair, isScalar, isSeq, LineCounter, type Pair, parseDocument } from "yaml";

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
  const syntaxFaults = document.errors.map((error) => ({ line: lineAt(error.pos[0]), message: error.message }));
  return {
    // A text with faults has no value: half of a configuration is none.
    value: syntaxFaults.length > 0 ? {} : (document.toJS({ maxAliasCount: ALIAS_LIMIT }) as unknown) ?? {},
    syntaxFaults,
    lineOf: (path) => lineAt(offsetOf(document.contents, path)),
  };
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
