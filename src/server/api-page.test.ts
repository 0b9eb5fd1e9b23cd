import { describe, expect, test } from "vitest";
import { silentLog } from "../lib/log.ts";
import { allRoutes, openApiDocument } from "../model/openapi.ts";
import { apiPage } from "./api-page.ts";
import { buildApp } from "./app.ts";
import type { ServerContext } from "./context.ts";
import { escapeHtml, schemaHtml } from "./schema-html.ts";

const page = apiPage(openApiDocument("1.2.3"));

describe("the page of the API", () => {
  test("has every route with its method, path and role, and leads every link to something that is there", () => {
    const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    for (const { name, path, summary } of allRoutes) {
      expect(ids, name).toContain(name);
      expect(page).toContain(`<code>${path.replaceAll(/:([A-Za-z]+)/g, "{$1}")}</code>`);
      expect(page).toContain(escapeHtml(summary));
    }
    const links = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id ?? "");
    expect(links.length).toBeGreaterThan(2 * allRoutes.length);
    expect(links.filter((id) => !ids.has(id))).toEqual([]);
    expect(page).toContain("Needs the role `operator`.");
  });

  test("loads nothing from anywhere and runs nothing", async () => {
    expect(page).not.toMatch(/<(script|link|img|iframe)|https?:\/\/|url\(|@import/);
    const app = buildApp([], { version: "1.2.3" } as ServerContext, { log: silentLog });
    const answer = await app.inject({ method: "GET", url: "/docs" });
    expect([answer.statusCode, answer.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
    expect(answer.headers["content-security-policy"]).toContain("default-src 'none'");
    expect(answer.payload).toBe(page);
    await app.close();
  });

  test("shows what a schema says, in words, and takes none of it for markup", () => {
    expect(schemaHtml({ type: "integer", minimum: 1, maximum: 9 })).toBe("integer (1 to 9)");
    expect(schemaHtml({ type: "array", items: { enum: ["<a>"] }, minItems: 1 })).toBe("list (at least 1 entries) of <code>&quot;&lt;a&gt;&quot;</code>");
    expect(schemaHtml({ anyOf: [{ $ref: "#/components/schemas/Job" }, { type: "null" }] })).toBe('<a href="#schema-Job">Job</a> <i>or</i> null');
    expect(schemaHtml({ type: "object", properties: { a: { type: "string", default: "x" } } })).toBe("<table><tr><td><code>a</code> <i>optional</i></td><td>string, <code>&quot;x&quot;</code> unless given</td></tr></table>");
  });
});
