import { expect, test } from "vitest";
import { missingRoutes } from "./server/app.ts";
import { routes } from "./server/routes/index.ts";

test("every route of the API is served", () => {
  expect(missingRoutes(routes)).toEqual([]);
});
