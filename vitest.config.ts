import { defineConfig } from "vitest/config";

const setupFiles = ["test/fail-on-warning.ts"];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "test/architecture.test.ts", "test/contract/**/*.test.ts"],
          setupFiles,
          testTimeout: 15_000,
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/{integration,e2e,faults}/**/*.test.ts"],
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
