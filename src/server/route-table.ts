import { HoldfastError } from "../lib/errors.ts";
import type { Route } from "../model/api/route.ts";

type Placed = Pick<Route<unknown, unknown>, "method" | "path">;

/** What is wrong with a request that no route serves: the method alone, or the path; `allow` names the methods that the path has. */
export function noSuchRoute(routes: readonly Placed[], method: string, url: string): { error: HoldfastError; allow: string | null } {
  const path = url.split("?")[0] ?? "";
  const methods = [...new Set(routes.filter((route) => isAt(route, path)).map((route) => route.method))];
  const message = `The API has no route ${method} ${path}.`;
  const hint = "Use a client of the server's own version.";
  if (methods.length === 0) return { error: new HoldfastError("NOT_FOUND", message, { hint }), allow: null };
  const allow = methods.flatMap((each) => (each === "GET" ? ["GET", "HEAD"] : [each])).join(", ");
  return { error: new HoldfastError("METHOD_NOT_ALLOWED", `${message.slice(0, -1)}, only ${allow}.`, { hint }), allow };
}

function isAt({ path }: Placed, asked: string): boolean {
  const [parts, given] = [path.split("/"), asked.split("/")];
  return parts.length === given.length && parts.every((part, index) => (part.startsWith(":") ? given[index] !== "" : part === given[index]));
}
