import { escapeHtml, type Field, fieldsHtml, schemaHtml, type ShownSchema } from "./schema-html.ts";

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: ShownSchema }>>;
}

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean; readonly schema: ShownSchema; readonly description?: string }[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content>>;
}

/** What the page reads of an OpenAPI document. */
interface Document {
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, ShownSchema>>; readonly responses: Readonly<Record<string, { readonly description: string }>> };
}

const STYLE = `:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
h2{margin-top:2.5rem;border-bottom:1px solid}h3{margin:2rem 0 0}code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
table{border-collapse:collapse;margin:.25rem 0;width:100%}td{border-top:1px solid color-mix(in srgb,currentColor 25%,transparent);padding:.25rem .5rem;vertical-align:top}
td:first-child{width:14rem}i,.note{opacity:.75}.method{font-weight:bold;display:inline-block;min-width:4.5rem}nav li{list-style:none}nav ul{padding:0}h4{margin:.75rem 0 0}`;

/** The API for people: one page made from the OpenAPI document, which needs nothing but itself. */
export function apiPage(openApi: object): string {
  const { info, tags, paths, components } = openApi as Document;
  const operations = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })));
  const groups = tags.map(({ name }) => ({ name, members: operations.filter(({ operation }) => operation.tags[0] === name) }));
  const title = `${info.title} API ${info.version}`;
  const contents = groups.map(({ name, members }) => `<h4>${escapeHtml(name)}</h4><ul>${members.map(linkHtml).join("")}</ul>`);
  const sections = groups.map(({ name, members }) => `<h2>${escapeHtml(name)}</h2>${members.map(operationHtml).join("")}`);
  const errors = Object.values(components.responses).map(({ description }) => escapeHtml(description)).join(", ");
  const schemas = Object.entries(components.schemas).map(([name, schema]) => `<h3 id="schema-${escapeHtml(name)}">${escapeHtml(name)}</h3>${schemaHtml(schema)}`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(info.description)} A request carries <code>Authorization: Bearer &lt;token&gt;</code>, except over the server's own socket.
The same for programs: <a href="/openapi.json">openapi.json</a>.</p>
<p>Any answer but 200 is <code>{"error": …}</code> with <a href="#schema-ErrorRecord">ErrorRecord</a>; its code is one of ${errors}.</p>
<nav>${contents.join("")}</nav>
${sections.join("\n")}
<h2>What they speak of</h2>
${schemas.join("\n")}
</body></html>
`;
}

interface Placed {
  readonly path: string;
  readonly method: string;
  readonly operation: Operation;
}

function linkHtml({ path, method, operation }: Placed): string {
  return `<li><span class="method">${method}</span> <a href="#${escapeHtml(operation.operationId)}"><code>${escapeHtml(path)}</code></a> ${escapeHtml(operation.summary)}</li>`;
}

function operationHtml({ path, method, operation }: Placed): string {
  const { operationId, summary, description, parameters = [], requestBody, responses } = operation;
  const asked = ["path", "query", "header"].map((place) => {
    const fields: Field[] = parameters
      .filter((parameter) => parameter.in === place)
      .map(({ name, schema, required, description: note }) => ({ name, isRequired: required, schema: note === undefined ? schema : { ...schema, description: note } }));
    return fields.length === 0 ? "" : `<h4>in the ${place}</h4>${fieldsHtml(fields)}`;
  });
  const body = requestBody?.content === undefined ? "" : `<h4>body</h4>${contentHtml(requestBody)}`;
  return `<h3 id="${escapeHtml(operationId)}"><span class="method">${method}</span> <code>${escapeHtml(path)}</code></h3>
<p>${escapeHtml(summary)} ${escapeHtml(description)} <i>${escapeHtml(operationId)}</i></p>${asked.join("")}${body}<h4>answer</h4>${contentHtml(responses["200"] ?? {})}`;
}

function contentHtml({ content = {} }: Content): string {
  return Object.entries(content)
    .map(([type, { schema }]) => `${type === "application/json" ? "" : `<code>${escapeHtml(type)}</code> `}${schemaHtml(schema)}`)
    .join("");
}
