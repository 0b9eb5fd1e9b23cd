import type { z } from "zod";

/** One thing that is wrong with a value, in words for the person who wrote it. */
export interface SchemaFault {
  readonly path: readonly string[];
  /** `policies.daily.full.cron` */
  readonly field: string;
  /** `"often" is not a duration; write …`: follows the field's name and a colon. */
  readonly message: string;
}

type Issue = z.core.$ZodIssue;
type Definition = { readonly type: string } & Readonly<Record<string, unknown>>;

const SECRET_NAME = /passw|secret|token|credential/i;
const SHOWN_LENGTH = 60;
const NONE_OF = "is none of: ";

/** Every issue of a failed parse as a fault: the value shown unless it is secret, unknown keys with the closest known one. */
export function schemaFaults(error: z.ZodError, schema: z.ZodType, input: unknown): SchemaFault[] {
  const issues = error.issues.flatMap((issue) => flatten(issue, []));
  const faults = issues.flatMap((issue) => issueFaults(issue, schema, input));
  return withoutNoise(faults).map(({ path, message }) => ({ path, field: path.join("."), message }));
}

interface RawFault {
  readonly path: readonly string[];
  readonly message: string;
  readonly kind: "missing" | "misspelt" | "other";
}

/** A failed union reports every branch; the one with the fewest issues is what was meant. */
function flatten(issue: Issue, prefix: readonly PropertyKey[]): Issue[] {
  const path = [...prefix, ...issue.path];
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return [{ ...issue, path }];
  const branches = issue.errors.map((branch) => branch.flatMap((inner) => flatten(inner, path)));
  const nearest = branches.reduce((best, branch) => (weight(branch, path) < weight(best, path) ? branch : best));
  const sameShape = nearest.some((inner) => inner.path.length > path.length || inner.code === "unrecognized_keys");
  return sameShape ? nearest : [{ ...issue, path, errors: [], message: describeBranches(branches) }];
}

/** Branches of another basic type than the value are the farthest. */
function weight(branch: readonly Issue[], path: readonly PropertyKey[]): number {
  return branch.reduce((sum, issue) => sum + (isOfAnotherType(issue) && issue.path.length === path.length ? 100 : 1), 0);
}

function isOfAnotherType(issue: Issue): boolean {
  return issue.code === "invalid_type" || issue.code === "invalid_value";
}

function describeBranches(branches: readonly (readonly Issue[])[]): string {
  const wanted = branches.flatMap((branch) => branch.flatMap((issue) => expectation(issue)));
  return `${NONE_OF}${[...new Set(wanted)].join(", ")}`;
}

function expectation(issue: Issue): string[] {
  if (issue.code === "invalid_type") return [`a value of type ${issue.expected}`];
  if (issue.code === "invalid_value") return issue.values.map((value) => JSON.stringify(value));
  return [issue.message];
}

function issueFaults(issue: Issue, schema: z.ZodType, input: unknown): RawFault[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey([...path, key], schema));
  if (issue.code === "invalid_key") return [{ path, message: `${JSON.stringify(path.at(-1))} ${issue.issues[0]?.message ?? "is not allowed here"}`, kind: "other" }];
  const value = valueAt(input, path);
  if (value === undefined) return [{ path, message: `is missing${missingHint(issue)}`, kind: "missing" }];
  if (issue.code === "custom" && isGroup(value)) return [{ path, message: issue.message, kind: "other" }];
  const shown = showValue(value, path, schema);
  return [{ path, message: `${shown} ${complaint(issue, value)}`, kind: "other" }];
}

function missingHint(issue: Issue): string {
  const wanted = issue.code === "invalid_union" && issue.errors.length === 0 ? discriminators(issue) : expectation(issue);
  return issue.code === "invalid_type" || issue.code === "invalid_value" || issue.code === "invalid_union" ? `; write ${wanted.join(" or ")}` : "";
}

function discriminators(issue: Issue): string[] {
  return "options" in issue && Array.isArray(issue.options) ? issue.options.map((option) => JSON.stringify(option)) : [issue.message.replace(NONE_OF, "")];
}

function complaint(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case "invalid_type":
      return `is ${typeName(value)}, where ${issue.expected === "int" ? "a whole number" : `a value of type ${issue.expected}`} is expected`;
    case "invalid_value":
      return `is not one of ${issue.values.map((known) => JSON.stringify(known)).join(", ")}`;
    case "invalid_union":
      return issue.message.startsWith("is ") ? issue.message : `is not one of ${discriminators(issue).join(", ")}`;
    case "too_small":
      return `is less than the smallest that is allowed, ${String(issue.minimum)}`;
    case "too_big":
      return `is more than the largest that is allowed, ${String(issue.maximum)}`;
    default:
      return issue.message.startsWith("is ") || issue.message.startsWith("has ") ? issue.message : `is refused: ${issue.message}`;
  }
}

function typeName(value: unknown): string {
  if (value === null) return "empty";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a group of keys" : `a ${typeof value}`;
}

function unknownKey(path: readonly string[], schema: z.ZodType): RawFault {
  const known = knownKeys(schema, path.slice(0, -1));
  const closest = closestName(path.at(-1) ?? "", known);
  const advice = closest === null ? (known.length === 0 ? "" : `; known here: ${known.join(", ")}`) : `; did you mean ${closest}?`;
  return { path, message: `is not a known key${advice}`, kind: closest === null ? "other" : "misspelt" };
}

/** A key that is "missing" because it was misspelt is one mistake, not two. */
function withoutNoise(faults: readonly RawFault[]): RawFault[] {
  const parentOf = (fault: RawFault): string => JSON.stringify(fault.path.slice(0, -1));
  const misspelt = new Set(faults.filter((fault) => fault.kind === "misspelt").map(parentOf));
  return faults.filter((fault) => fault.kind !== "missing" || !misspelt.has(parentOf(fault)));
}

function valueAt(input: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (isGroup(value) ? (value as Record<string, unknown>)[key] : undefined), input);
}

function isGroup(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function showValue(value: unknown, path: readonly string[], schema: z.ZodType): string {
  if (SECRET_NAME.test(path.at(-1) ?? "") || schemasAt(schema, path).some((at) => at.meta()?.["secret"] === true)) return "the value (not shown)";
  if (isGroup(value)) return "the value";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}

/** The keys that an object at this place may have, over all branches of unions. */
export function knownKeys(schema: z.ZodType, path: readonly string[]): string[] {
  return [...new Set(schemasAt(schema, path).flatMap((at) => Object.keys(shapeOf(at))))];
}

/** The schemas that describe the value at `path`, wrappers such as `optional` included; several below a union, none where nothing is known. */
export function schemasAt(schema: z.ZodType, path: readonly string[]): z.ZodType[] {
  return path.reduce<z.ZodType[]>((schemas, key) => schemas.flatMap((at) => children(at, key)), unwrap(schema));
}

function children(schema: z.ZodType, key: string): z.ZodType[] {
  const definition = definitionOf(schema);
  if (definition.type === "object") return unwrapMaybe(shapeOf(schema)[key]);
  if (definition.type === "record") return unwrapMaybe(definition["valueType"]);
  if (definition.type === "array") return unwrapMaybe(definition["element"]);
  return [];
}

function unwrapMaybe(schema: unknown): z.ZodType[] {
  return schema === undefined ? [] : unwrap(schema as z.ZodType);
}

function unwrap(schema: z.ZodType): z.ZodType[] {
  const definition = definitionOf(schema);
  if (definition.type === "union") return (definition["options"] as z.ZodType[]).flatMap(unwrap).concat(schema);
  const inner = definition["innerType"] ?? definition["in"];
  return inner === undefined ? [schema] : [...unwrap(inner as z.ZodType), schema];
}

function definitionOf(schema: z.ZodType): Definition {
  return schema.def as unknown as Definition;
}

function shapeOf(schema: z.ZodType): Record<string, unknown> {
  const definition = definitionOf(schema);
  return definition.type === "object" ? (definition["shape"] as Record<string, unknown>) : {};
}

/** The known name that a misspelt one most likely stands for; null when none is near. */
export function closestName(name: string, known: readonly string[]): string | null {
  const limit = Math.max(1, Math.floor(name.length / 3));
  const ranked = known.map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }));
  const best = ranked.sort((a, b) => a.distance - b.distance)[0];
  return best !== undefined && best.distance <= limit ? best.candidate : null;
}

/** Edits between two words; two neighbouring letters exchanged count as one. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let row = 1; row <= a.length; row += 1) {
    rows[row] = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      const swapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1] ? at(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY;
      (rows[row] as number[])[column] = Math.min(at(row - 1, column) + 1, at(row, column - 1) + 1, at(row - 1, column - 1) + same, swapped);
    }
  }
  return at(a.length, b.length);
}
