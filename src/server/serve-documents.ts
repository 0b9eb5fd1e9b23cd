import type { FastifyInstance, FastifyRequest } from "fastify";
import { openApiDocument } from "../model/openapi.ts";
import { apiPage } from "./api-page.ts";

/** What the page may load: nothing but itself. */
const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Where the API describes itself, to programs and to people. */
export const DOCUMENT_PATHS = [
  { method: "GET", path: "/openapi.json" },
  { method: "GET", path: "/docs" },
] as const;

/** The same for everybody, and secret to nobody; `onRequest` counts who asks. */
export function serveDocuments(app: FastifyInstance, { version, onRequest }: { version: string; onRequest: (request: FastifyRequest) => Promise<void> }): void {
  let openApi: object | undefined;
  let page: string | undefined;
  const document = (): object => (openApi ??= openApiDocument(version));
  app.get("/openapi.json", { onRequest }, (_request, reply) => reply.send(document()));
  app.get("/docs", { onRequest }, (_request, reply) =>
    reply.header("content-security-policy", PAGE_POLICY).type("text/html; charset=utf-8").send((page ??= apiPage(document()))),
  );
}
