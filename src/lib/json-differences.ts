const SHOWN_CHARACTERS = 60;

/**
 * The fields in which two JSON values differ, each with its path and both values: `body.packs[2].sizeBytes is 7, not 8`.
 * At most `limit` of them, in the order of `expected`.
 */
export function jsonDifferences(expected: unknown, found: unknown, limit: number): string[] {
  const differences: string[] = [];
  compare({ path: "", expected, found }, (difference) => {
    if (differences.length < limit) differences.push(difference);
  });
  return differences;
}

interface Pair {
  readonly path: string;
  readonly expected: unknown;
  readonly found: unknown;
}

function compare({ path, expected, found }: Pair, tell: (difference: string) => void): void {
  if (Object.is(expected, found)) return;
  const name = path === "" ? "the document" : path;
  if (isRecord(expected) && isRecord(found) && Array.isArray(expected) === Array.isArray(found)) {
    const names = new Set([...Object.keys(expected), ...Object.keys(found)]);
    for (const member of names) compare({ path: pathTo(path, member, Array.isArray(expected)), expected: expected[member], found: found[member] }, tell);
    return;
  }
  if (found === undefined) tell(`${name} is missing`);
  else if (expected === undefined) tell(`${name} does not belong there`);
  else tell(`${name} is ${shown(found)}, not ${shown(expected)}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function pathTo(path: string, member: string, isElement: boolean): string {
  if (isElement) return `${path}[${member}]`;
  return path === "" ? member : `${path}.${member}`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
