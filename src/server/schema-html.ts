/** A schema of the OpenAPI document, as far as the page shows it. */
export interface ShownSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly ShownSchema[];
  readonly oneOf?: readonly ShownSchema[];
  readonly allOf?: readonly ShownSchema[];
  readonly items?: ShownSchema;
  readonly properties?: Readonly<Record<string, ShownSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | ShownSchema;
  readonly default?: unknown;
  readonly description?: string;
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

const PLACE = "#/components/schemas/";
const SPECIAL: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Text that means nothing to a browser. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => SPECIAL[sign] ?? sign);
}

/** A schema as people read it: names are links to where they are explained, objects are tables. */
export function schemaHtml(schema: ShownSchema): string {
  const { $ref, anyOf, oneOf, allOf, properties, items } = schema;
  if ($ref?.startsWith(PLACE) === true) return referenceHtml($ref.slice(PLACE.length));
  const choices = anyOf ?? oneOf;
  if (choices !== undefined) return choices.map(schemaHtml).join(" <i>or</i> ");
  if (allOf !== undefined) return allOf.map(schemaHtml).join(" <i>and</i> ");
  if ("const" in schema) return code(JSON.stringify(schema.const));
  if (schema.enum !== undefined) return schema.enum.map((each) => code(JSON.stringify(each))).join(" <i>or</i> ");
  if (properties !== undefined) return Object.keys(properties).length === 0 ? "an empty object" : propertiesHtml(schema);
  if (items !== undefined) return `list${boundsHtml(schema)} of ${schemaHtml(items)}`;
  if (typeof schema.additionalProperties === "object") return `object of ${schemaHtml(schema.additionalProperties)} by name`;
  return escapeHtml([schema.type ?? "anything"].flat().join(" or ")) + boundsHtml(schema);
}

function referenceHtml(name: string): string {
  return `<a href="#schema-${escapeHtml(name)}">${escapeHtml(name)}</a>`;
}

/** The rows of an object's fields. */
function propertiesHtml({ properties = {}, required = [] }: ShownSchema): string {
  return fieldsHtml(Object.entries(properties).map(([name, schema]) => ({ name, schema, isRequired: required.includes(name) })));
}

export interface Field {
  readonly name: string;
  readonly schema: ShownSchema;
  readonly isRequired: boolean;
}

export function fieldsHtml(fields: readonly Field[]): string {
  const rows = fields.map(({ name, schema, isRequired }) => {
    const preset = schema.default === undefined ? "" : `, ${code(JSON.stringify(schema.default))} unless given`;
    const description = schema.description === undefined ? "" : ` <span class="note">${escapeHtml(schema.description)}</span>`;
    return `<tr><td>${code(name)}${isRequired ? "" : " <i>optional</i>"}</td><td>${schemaHtml(schema)}${preset}${description}</td></tr>`;
  });
  return `<table>${rows.join("")}</table>`;
}

function boundsHtml({ format, pattern, minimum, maximum, minLength, maxLength, minItems, maxItems }: ShownSchema): string {
  const facts = [
    ...(format === undefined ? [] : [escapeHtml(format)]),
    ...(format !== undefined || pattern === undefined ? [] : [code(pattern)]),
    ...rangeOf("", minimum, maximum),
    ...rangeOf(" characters", minLength, maxLength),
    ...rangeOf(" entries", minItems, maxItems),
  ];
  return facts.length === 0 ? "" : ` (${facts.join(", ")})`;
}

function rangeOf(unit: string, min: number | undefined, max: number | undefined): string[] {
  const isOpen = max === undefined || Math.abs(max) >= Number.MAX_SAFE_INTEGER;
  const low = min === undefined || min <= Number.MIN_SAFE_INTEGER ? undefined : min;
  if (low === undefined) return isOpen ? [] : [`at most ${String(max)}${unit}`];
  return [isOpen ? `at least ${String(low)}${unit}` : `${String(low)} to ${String(max)}${unit}`];
}

const code = (text: string): string => `<code>${escapeHtml(text)}</code>`;
