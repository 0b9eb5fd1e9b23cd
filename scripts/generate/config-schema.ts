import { agentConfigJsonSchema } from "../../src/config/agent-config.ts";
import { configJsonSchema } from "../../src/config/config.ts";
import { gatewayJsonSchema } from "../../src/config/gateway-config.ts";
import { keyholderJsonSchema } from "../../src/config/keyholder-config.ts";

/** docs/config.schema.json: what editors need to complete and check a configuration. */
export function configSchema(): string {
  return schemaText("Configuration of Holdfast", configJsonSchema());
}

/** docs/gateway.schema.json: the same for the file of `holdfast gateway`. */
export function gatewaySchema(): string {
  return schemaText("Configuration of a Holdfast gateway", gatewayJsonSchema());
}

/** docs/keyholder.schema.json: the same for the file of `holdfast keyholder`. */
export function keyholderSchema(): string {
  return schemaText("Configuration of Holdfast's keyholder", keyholderJsonSchema());
}

/** docs/agent.schema.json: the same for the file of `holdfast agent`. */
export function agentSchema(): string {
  return schemaText("Configuration of a Holdfast agent", agentConfigJsonSchema());
}

function schemaText(title: string, schema: unknown): string {
  return `${JSON.stringify({ title, ...(schema as object) }, null, 2)}\n`;
}
