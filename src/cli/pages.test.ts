import { describe, expect, it } from "vitest";
import { runCli } from "../../test/fakes/cli.ts";
import { id, job } from "../../test/fakes/cli-documents.ts";

const many = (count: number, from: number) => Array.from({ length: count }, (_, n) => job({ jobId: id(from + n) }));
const turns = { "jobs.list": [{ jobs: many(1_000, 0), next: "c1" }, { jobs: many(1_000, 1_000), next: "c2" }, { jobs: many(7, 2_000), next: null }] };

describe("a list command", () => {
  it("asks for page after page until it has what was asked for, and no more", async () => {
    const ran = await runCli(["job", "list", "--limit", "2500", "--json"], { answers: turns });
    expect((JSON.parse(ran.stdout) as { jobs: unknown[] }).jobs).toHaveLength(2_007);
    expect(ran.calls.map(({ input }) => input)).toEqual([{ limit: 1_000 }, { limit: 1_000, cursor: "c1" }, { limit: 500, cursor: "c2" }]);
    const few = await runCli(["job", "list", "--limit", "1000"], { answers: turns });
    expect(few.calls).toHaveLength(1);
  });

  it("without a limit shows all there is", async () => {
    const finding = (n: number) => ({ findingId: id(n), kind: "k", subject: "s", severity: "warning", message: `number ${String(n)}`, remedy: "r", openedAt: "2026-05-01T00:00:00.000Z", closedAt: null });
    const ran = await runCli(["finding", "list"], { answers: { "system.findings": [{ findings: [finding(1)], next: "c1" }, { findings: [finding(2)] }] } });
    expect(ran.stdout).toMatch(/number 1[^]*number 2/);
    expect(ran.calls.at(-1)?.input).toMatchObject({ all: false, cursor: "c1" });
  });
});
