import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../lib/errors.ts";
import { type Answer, answerOf, isRefusal, tryAll } from "./attempt.ts";
import { Report } from "./report.ts";

async function reportOf(answers: readonly (() => Promise<Answer>)[]): Promise<{ report: Report; lines: string[] }> {
  const lines: string[] = [];
  const report = new Report((line) => lines.push(line));
  await tryAll(answers.map((run, number) => ({ at: "gateway", what: `try ${String(number)}`, run })), (tried) => report.add(tried));
  return { report, lines };
}

const refused = (): Promise<Answer> => Promise.resolve({ refused: true, said: "403 GRANT_INVALID" });

describe("the report of what was tried", () => {
  it("says what came of each, and ends well when all were refused", async () => {
    const { report, lines } = await reportOf([refused, refused]);
    report.conclude();
    expect(lines).toEqual(["  gateway", expect.stringMatching(/refused +403 GRANT_INVALID +try 0/), expect.stringMatching(/try 1/), "  2 tried, 2 refused"]);
  });

  it("counts what is taken by itself, and does not call it refused", async () => {
    const { report, lines } = await reportOf([refused, () => Promise.resolve({ refused: false, taken: true, said: "200" })]);
    report.conclude();
    expect(lines.at(-1)).toBe("  2 tried, 1 refused, 1 taken (not refused)");
    expect(lines.at(-2)).toMatch(/taken +200 +try 1/);
  });

  it.each<[string, () => Promise<Answer>]>([
    ["what was done", () => Promise.resolve({ refused: false, said: "done" })],
    ["what broke on the way", () => Promise.reject(new Error("connect ECONNREFUSED"))],
  ])("fails, and says so loudly, for %s", async (_what, run) => {
    const { report, lines } = await reportOf([refused, run]);
    expect(() => report.conclude()).toThrow(expect.objectContaining({ code: "VERIFICATION_FAILED", message: expect.stringContaining("1 of 2 attempts") as string }) as Error);
    expect(lines.filter((line) => line.includes("!!! NOT REFUSED") && line.includes("try 1"))).toHaveLength(1);
  });

  it("fails when nothing was tried", async () => {
    const { report } = await reportOf([]);
    expect(() => report.conclude()).toThrow("proves nothing");
  });
});

describe("a refusal", () => {
  it("is an answer that says no, never a fault or success", () => {
    expect([400, 401, 403, 404, 409, 422, 501].map(isRefusal)).not.toContain(false);
    expect([0, 200, 201, 204, 301, 500, 502, 503, 504].map(isRefusal)).not.toContain(true);
  });

  it("of the API is an error of the server, not that it could not be reached", async () => {
    expect(await answerOf(() => Promise.reject(new HoldfastError("FORBIDDEN", "no")))).toEqual({ refused: true, said: "403 FORBIDDEN" });
    expect(await answerOf(() => Promise.reject(new HoldfastError("UNREACHABLE", "nobody")))).toMatchObject({ refused: false });
    expect(await answerOf(() => Promise.resolve({ token: "x" }))).toMatchObject({ refused: false });
  });
});
