import { join } from "node:path";
import { defineConfig } from "vitest/config";

/** Threads, tools and much data: with the integration tests. */
const SLOW = "src/**/*.slow.test.ts";
const setupFiles = ["test/fail-on-warning.ts"];

/** Limits bound only a failure, so they are long, for machines that are busy; that of a wait is the shorter, because it says what it waited for. */
const waits = ({ testMs, pollMs }: { testMs: number; pollMs: number }) => ({ testTimeout: testMs, hookTimeout: testMs, expect: { poll: { timeout: pollMs } } });

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "test/architecture.test.ts", "test/contract/**/*.test.ts"],
          exclude: [SLOW],
          setupFiles,
          pool: "forks",
          // Most of their time is waiting: for the disk, or for somebody's patience to end.
          maxWorkers: 2,
          // Importing a module does nothing (CONTRIBUTING.md), so files may share a process: a third of the time is saved.
          isolate: false,
          // Else the first state directory made in that process would hold what it compiles, and come back after its test removed it.
          env: { NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/compiled") },
          ...waits({ testMs: 90_000, pollMs: 60_000 }),
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/{integration,e2e,faults}/**/*.test.ts", SLOW],
          setupFiles,
          pool: "forks",
          maxWorkers: 2,
          ...waits({ testMs: 300_000, pollMs: 120_000 }),
          // After the unit tests, so that two servers and a full set of workers never share the machine.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
