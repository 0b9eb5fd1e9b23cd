import { z } from "zod";
import { schemaNames } from "./api/named-schemas.ts";

export type Json = Record<string, unknown>;

const PLACE = "#/components/schemas/";
const INPUT = "Input";

/**
 * Schemas in JSON Schema 2020-12, which OpenAPI 3.1 speaks. What has a name is kept once, in `components`; where what may
 * come in is not what goes out (a default fills it), it has a second name ending in `Input`.
 */
export class OpenApiSchemas {
  readonly #named = new Map<string, Json>();

  of(schema: z.ZodType, io: "input" | "output"): Json {
    const { $schema: _dialect, $defs: named = {}, ...json } = z.toJSONSchema(schema, { io, target: "draft-2020-12", unrepresentable: "any", metadata: schemaNames }) as Json;
    const nameOf = (reference: string): string => `${PLACE}${reference.replace("#/$defs/", "")}${io === "input" ? INPUT : ""}`;
    for (const [id, definition] of Object.entries(named as Json)) this.#named.set(`${id}${io === "input" ? INPUT : ""}`, withReferences(definition, nameOf) as Json);
    return withReferences(json, nameOf) as Json;
  }

  /** The document that `make` puts together around the named schemas; what is the same in and out has one name there. */
  document(make: (named: Json) => Json): Json {
    const doubles = this.#doubles();
    const named = [...this.#named].filter(([name]) => !doubles.has(name)).sort(([a], [b]) => (a < b ? -1 : 1));
    return withReferences(make(Object.fromEntries(named)), (reference) => {
      const name = reference.slice(PLACE.length);
      return doubles.has(name) ? `${PLACE}${name.slice(0, -INPUT.length)}` : reference;
    }) as Json;
  }

  /** Names ending in `Input` that say nothing else than the one without: all of them, less those found to differ, until none does. */
  #doubles(): Set<string> {
    const plain = (name: string): string => (name.endsWith(INPUT) ? name.slice(0, -INPUT.length) : name);
    const doubles = new Set([...this.#named.keys()].filter((name) => name.endsWith(INPUT)));
    for (let before = -1; before !== doubles.size; ) {
      before = doubles.size;
      const joined = (schema: Json | undefined): string => JSON.stringify(withReferences(schema, (reference) => (doubles.has(reference.slice(PLACE.length)) ? plain(reference) : reference)));
      for (const name of [...doubles]) {
        const other = this.#named.get(plain(name));
        if (other !== undefined && joined(this.#named.get(name)) !== joined(other)) doubles.delete(name);
      }
    }
    for (const name of doubles) if (!this.#named.has(plain(name))) this.#named.set(plain(name), this.#named.get(name) ?? {});
    return doubles;
  }
}

function withReferences(value: unknown, change: (reference: string) => string): unknown {
  if (Array.isArray(value)) return value.map((each) => withReferences(each, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, key === "$ref" && typeof inner === "string" ? change(inner) : withReferences(inner, change)]));
}
