import { describe, expect, test } from "vitest";
import { allRoutes, openApiDocument } from "./openapi.ts";

type Json = Record<string, unknown>;
interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  security?: unknown[];
  parameters?: { name: string; in: string; required: boolean; schema: Json }[];
  requestBody?: { content: { "application/json": { schema: Json } } };
  responses: Record<string, Json>;
}

const document = openApiDocument("1.2.3") as Json & { paths: Record<string, Record<string, Operation>>; tags: { name: string }[] };
const operations = Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));

/** Words of JSON Schema 2020-12 that may stand in a schema here. */
const KEYWORDS = new Set([
  "type", "properties", "required", "additionalProperties", "propertyNames", "items", "prefixItems", "anyOf", "oneOf", "allOf", "not", "enum", "const", "default", "format", "pattern", "description",
  "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems", "contentEncoding", "$ref", "title", "examples", "uniqueItems", "multipleOf",
]); // prettier-ignore
const TYPES = new Set(["string", "number", "integer", "boolean", "object", "array", "null"]);

/** What is wrong with a schema and with all inside it. */
function schemaFaults(schema: unknown, at: string): string[] {
  if (typeof schema === "boolean") return [];
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return [`${at} is no schema`];
  const { properties, required, items, type, pattern, ...rest } = schema as Record<string, unknown>;
  const known = (properties ?? {}) as Json;
  return [
    ...Object.keys(schema).filter((word) => !KEYWORDS.has(word)).map((word) => `${at} has the word ${word}`),
    ...([type ?? []].flat() as string[]).filter((name) => !TYPES.has(name)).map((name) => `${at} has the type ${name}`),
    ...((required ?? []) as string[]).filter((name) => !(name in known)).map((name) => `${at} requires ${name}, which it does not have`),
    ...(typeof pattern === "string" && new RegExp(pattern, "u").source === "" ? [`${at} has an empty pattern`] : []),
    ...Object.entries(known).flatMap(([name, inner]) => schemaFaults(inner, `${at}.${name}`)),
    ...(items === undefined ? [] : schemaFaults(items, `${at}[]`)),
    ...["anyOf", "oneOf", "allOf"].flatMap((word) => ((rest[word] ?? []) as unknown[]).flatMap((inner, index) => schemaFaults(inner, `${at}.${word}.${String(index)}`))),
    ...["additionalProperties", "propertyNames", "not"].flatMap((word) => (rest[word] === undefined ? [] : schemaFaults(rest[word], `${at}.${word}`))),
  ];
}

describe("the OpenAPI document", () => {
  test("has each route once, under its own name, with a tag that is explained", () => {
    expect(document["openapi"]).toBe("3.1.0");
    expect(operations.map(({ operation }) => operation.operationId).toSorted()).toEqual(allRoutes.map(({ name }) => name).toSorted());
    expect(new Set(allRoutes.map(({ name }) => name)).size).toBe(allRoutes.length);
    const tags = document.tags.map(({ name }) => name);
    for (const { operation } of operations) {
      expect(tags).toContain(operation.tags[0]);
      expect(operation.summary).toMatch(/^[A-Z].*\.$/);
    }
  });

  test("names every parameter of a path, and no path twice under other names", () => {
    for (const { path, operation } of operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(operation.parameters?.filter((parameter) => parameter.in === "path").map(({ name }) => name) ?? [], path).toEqual(inPath);
      expect(path).not.toContain(":");
    }
    const shapes = Object.keys(document.paths).map((path) => path.replaceAll(/\{\w+\}/g, "{}"));
    expect(new Set(shapes).size).toBe(shapes.length);
  });

  test("has only schemas that JSON Schema 2020-12 knows, for what comes in and what goes out", () => {
    const faults = operations.flatMap(({ operation }) => [
      ...(operation.parameters ?? []).flatMap(({ name, schema }) => schemaFaults(schema, `${operation.operationId} ${name}`)),
      ...(operation.requestBody === undefined ? [] : schemaFaults(operation.requestBody.content["application/json"].schema, operation.operationId)),
      ...Object.values((operation.responses["200"] as { content: Record<string, { schema: Json }> }).content).flatMap(({ schema }) => schemaFaults(schema, `${operation.operationId} 200`)),
    ]);
    const named = Object.entries((document["components"] as { schemas: Json }).schemas).flatMap(([name, schema]) => schemaFaults(schema, name));
    expect([...faults, ...named]).toEqual([]);
  });

  test("says what is said often once, under a name, and twice only where what comes in is not what goes out", () => {
    const { schemas } = document["components"] as { schemas: Record<string, unknown> };
    expect(Object.keys(schemas)).toEqual(expect.arrayContaining(["Backup", "ErrorRecord", "Finding", "Id", "Job", "Order", "Token"]));
    const doubles = Object.keys(schemas).filter((name) => name.endsWith("Input"));
    expect(doubles).toContain("RestoreTargetInput");
    for (const name of doubles) expect(JSON.stringify(schemas[name]), name).not.toBe(JSON.stringify(schemas[name.replace(/Input$/, "")]));
    expect(JSON.stringify(document.paths["/v1/jobs/{jobId}"]?.["get"]?.responses["200"])).toContain('"job":{"$ref":"#/components/schemas/Job"}');
  });

  test("leads every reference to something that is there", () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, to = ""]) => to);
    expect(references.length).toBeGreaterThan(0);
    for (const to of new Set(references)) {
      const found = to.replace(/^#\//, "").split("/").reduce<unknown>((at, step) => (at as Json | undefined)?.[step], document);
      expect(found, to).toBeDefined();
    }
  });

  test("asks for a token everywhere but where none is needed", () => {
    const open = operations.filter(({ operation }) => operation.security?.length === 0).map(({ operation }) => operation.operationId);
    expect(open).toEqual(allRoutes.filter(({ role }) => role === "anyone").map(({ name }) => name));
  });
});
