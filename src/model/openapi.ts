import { ERRORS, type ErrorRow } from "../lib/errors.ts";
import { api } from "./api/index.ts";
import { IDEMPOTENCY_KEY_PATTERN, type Route } from "./api/route.ts";
import { type Json, OpenApiSchemas } from "./openapi-schemas.ts";
import { errorRecordSchema } from "./scalars.ts";

type AnyRoute = Route<unknown, unknown>;

/** Their input beyond the path is the query string. */
const WITHOUT_BODY = ["GET", "DELETE"];

/** Every route, whatever its noun. */
export const allRoutes: readonly AnyRoute[] = Object.values(api).flatMap((noun) => Object.values(noun) as AnyRoute[]);

/** The API as an OpenAPI 3.1 document, made from the same data that the server serves and the client calls. */
export function openApiDocument(version: string): Json {
  const schemas = new OpenApiSchemas();
  const paths: Record<string, Json> = {};
  for (const route of allRoutes) {
    const path = route.path.replaceAll(/:([A-Za-z]+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, schemas) };
  }
  const error = errorSchema(schemas);
  return schemas.document((named) => ({
    openapi: "3.1.0",
    info: { title: "Holdfast", version, description: "Backups that are proven by restore. Ids are ULIDs, instants ISO 8601 in UTC, sizes bytes.", license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    servers: [{ url: "/", description: "The server that gave this document." }],
    tags: Object.keys(api).map((name) => ({ name, description: `Routes of ${name}.` })),
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer", description: "A token of `holdfast token create`, or an agent's own. None is needed on the server's Unix socket." } },
      schemas: { Error: error, ...named },
      responses: Object.fromEntries(errorStatuses().map(([status, codes]) => [`Error${String(status)}`, errorResponse(codes)])),
    },
  }));
}

function operation(route: AnyRoute, schemas: OpenApiSchemas): Json {
  const input = schemas.of(route.input, "input");
  const properties = (input["properties"] ?? {}) as Record<string, Json>;
  const required = new Set((input["required"] ?? []) as string[]);
  const inPath = [...route.path.matchAll(/:([A-Za-z]+)/g)].map(([, name = ""]) => name);
  const rest = Object.keys(properties).filter((name) => !inPath.includes(name));
  const hasBody = !WITHOUT_BODY.includes(route.method);
  const parameters = [
    ...inPath.map((name) => ({ name, in: "path", required: true, schema: properties[name] ?? { type: "string" } })),
    ...(hasBody ? [] : rest.map((name) => ({ name, in: "query", required: required.has(name), schema: properties[name] }))),
    ...(route.answers === "event-stream" ? [LAST_EVENT_ID] : []),
    ...(route.once === undefined ? [] : [idempotencyKey(route.once)]),
  ];
  const body = { type: "object", properties: Object.fromEntries(rest.map((name) => [name, properties[name]])), ...requiredOf(rest.filter((name) => required.has(name))) };
  return {
    operationId: route.name,
    tags: [tagOf(route)],
    summary: route.summary,
    description: route.role === "anyone" ? "Needs no token." : `Needs the role \`${route.role}\`.`,
    "x-holdfast-role": route.role,
    ...(route.role === "anyone" ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(hasBody ? { requestBody: { required: rest.some((name) => required.has(name)), content: { "application/json": { schema: body } } } } : {}),
    responses: { "200": { description: "Done.", content: { [route.answers === "event-stream" ? "text/event-stream" : "application/json"]: { schema: schemas.of(route.output, "output") } } }, ...errorRefs() },
  };
}

const LAST_EVENT_ID: Json = {
  name: "Last-Event-ID",
  in: "header",
  required: false,
  description: "Goes on behind this event. An event `reset` says that it is not known what came since: read the lists anew.",
  schema: { type: "string", pattern: "^[0-9]{1,15}$" },
};

function idempotencyKey(once: "answer" | "secret"): Json {
  const again = once === "answer" ? "gets the answer of the first one" : "is told that the first one was done (its answer held a secret)";
  const description = `The same request with the same key ${again}, for 24 hours; another request with it is refused.`;
  return { name: "Idempotency-Key", in: "header", required: false, description, schema: { type: "string", pattern: IDEMPOTENCY_KEY_PATTERN.source } };
}

function tagOf(route: AnyRoute): string {
  return Object.entries(api).find(([, noun]) => (Object.values(noun) as AnyRoute[]).includes(route))?.[0] ?? "";
}

function requiredOf(names: readonly string[]): Json {
  return names.length === 0 ? {} : { required: names };
}

/** Its codes are a promise: those of the table, by name. */
function errorSchema(schemas: OpenApiSchemas): Json {
  const code = { type: "string", enum: Object.keys(ERRORS) };
  return { type: "object", required: ["error"], properties: { error: { allOf: [schemas.of(errorRecordSchema, "output"), { type: "object", properties: { code } }] } } };
}

/** Statuses of the error table with their codes. */
function errorStatuses(): [number, string[]][] {
  const byStatus = Map.groupBy(Object.entries<ErrorRow>(ERRORS), ([, { status }]) => status);
  return [...byStatus].sort(([a], [b]) => a - b).map(([status, rows]) => [status, rows.map(([code]) => code)]);
}

function errorResponse(codes: readonly string[]): Json {
  return { description: codes.join(", "), content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } } };
}

function errorRefs(): Json {
  return Object.fromEntries(errorStatuses().map(([status]) => [String(status), { $ref: `#/components/responses/Error${String(status)}` }]));
}
