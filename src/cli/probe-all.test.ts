import { expect, it } from "vitest";
import { runCli } from "../../test/fakes/cli.ts";
import { instance } from "../../test/fakes/cli-documents.ts";
import { HoldfastError } from "../lib/errors.ts";

it("the doctor believes today's probe over what an older one said", async () => {
  const ran = await runCli(["doctor"], {
    local: { doctor: () => Promise.resolve([]) },
    answers: {
      "instances.list": { instances: [instance()] },
      "instances.probe": new HoldfastError("DATABASE_UNREACHABLE", "shop does not answer"),
      "system.doctor": { diagnoses: [{ subject: "instance shop", status: "ok", message: "it answered yesterday", remedy: null }] },
    },
  });
  expect(ran.stdout).toContain("shop does not answer");
  expect(ran.stdout).not.toContain("yesterday");
  expect(ran.code).toBe(5);
});
