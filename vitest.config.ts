import { defineConfig } from "vitest/config";

/** Threads, tools and much data: with the integration tests. */
const SLOW = "src/**/*.slow.test.ts";
const setupFiles = ["test/fail-on-warning.ts"];

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
          // Importing a module does nothing (CONTRIBUTING.md), so files may share a process: a third of the time is saved.
          isolate: false,
          // Bounds only a failure: generous, for machines that are busy.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/{integration,e2e,faults}/**/*.test.ts", SLOW],
          setupFiles,
          pool: "forks",
          maxWorkers: 2,
          testTimeout: 180_000,
          hookTimeout: 120_000,
          // After the unit tests, so that two servers and a full set of workers never share the machine.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
