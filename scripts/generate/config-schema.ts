import { configJsonSchema } from "../../src/config.ts";

/** docs/config.schema.json: what editors need to complete and check a configuration. */
export function configSchema(): string {
  const schema = { title: "Configuration of Holdfast", ...(configJsonSchema() as object) };
  return `${JSON.stringify(schema, null, 2)}\n`;
}
