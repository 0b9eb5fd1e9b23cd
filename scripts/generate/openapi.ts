import { openApiDocument } from "../../src/model/openapi.ts";
import { productVersion } from "../../src/version.ts";

/** docs/openapi.json: what the server serves at /openapi.json. */
export function openApi(): string {
  return `${JSON.stringify(openApiDocument(productVersion()), null, 1)}\n`;
}
