import { expect, test } from "vitest";
import { grantBy } from "../../test/fixtures/grants.ts";
import { generateSigningKey, signerFrom } from "../lib/signing.ts";
import { gateByRepository } from "./gate-by-repository.ts";
import { memoryStorage } from "./memory.ts";
import { openGate } from "./open-gate.ts";

const signer = signerFrom(generateSigningKey());
const body = Buffer.from("the bytes of a pack");
const signal = new AbortController().signal;

function gateTo(repository: string): { gate: ReturnType<typeof openGate>; has: () => Promise<boolean> } {
  const storage = memoryStorage.open({});
  const gate = openGate({ repositories: new Map([[repository, storage]]), publicKey: signer.publicKey, clock: { nowMs: () => Date.now() } });
  return { gate, has: async () => (await storage.stat("i/backups/b/000000.zst.age")) !== null };
}

test("each grant goes to the repository that it names, and to no other", async () => {
  const [first, second] = [gateTo("first"), gateTo("second")];
  const gate = gateByRepository(new Map([["first", first.gate], ["second", second.gate]]));
  await gate.put(grantBy(signer, body, { repository: "second" }), [body], signal);
  expect([await first.has(), await second.has()]).toEqual([false, true]);
  expect(await gate.confirm?.(grantBy(signer, body, { repository: "second" }), signal)).toBe(true);
  const read = await (await gate.get(grantBy(signer, body, { repository: "second", operation: "get" }), undefined, signal)).toArray();
  expect(Buffer.concat(read as Buffer[])).toEqual(body);
});

test("a repository to which there is no way is named", async () => {
  const grant = grantBy(signer, body, { repository: "third" });
  const refused = { code: "GRANT_INVALID", message: expect.stringContaining("names the repository third, to which this agent knows no way") as string };
  const gate = gateByRepository(new Map());
  await expect(gate.put(grant, [body], signal)).rejects.toMatchObject(refused);
  await expect(gate.confirm?.(grant, signal)).rejects.toMatchObject(refused);
  await expect(gate.get(grant, undefined, signal)).rejects.toMatchObject(refused);
});
