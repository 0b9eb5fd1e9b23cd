import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { generateKeyPair } from "./identities.ts";
import { parseRecipients, recipientFingerprints } from "./recipients.ts";

test("good recipients come back in order, without white space around them", async () => {
  const [a, b] = [(await generateKeyPair()).recipient, (await generateKeyPair()).recipient];
  expect(parseRecipients([`  ${a}\n`, b])).toEqual([a, b]);
});

test("an empty list is refused", () => {
  expect(() => parseRecipients([])).toThrow(expect.objectContaining({ code: "RECIPIENT_INVALID" }) as Error);
});

test.each(["", "age1short", "ssh-ed25519 AAAA", "age1pq1qqqq"])("%j is refused by name", (value) => {
  const named = expect.objectContaining({ code: "RECIPIENT_INVALID", message: expect.stringContaining(`"${value}"`) as string }) as Error;
  expect(() => parseRecipients([value])).toThrow(named);
});

test("a recipient with one wrong letter is refused by its checksum", async () => {
  const { recipient } = await generateKeyPair();
  const mistyped = recipient.slice(0, 20) + (recipient[20] === "q" ? "p" : "q") + recipient.slice(21);
  expect(() => parseRecipients([mistyped])).toThrow(expect.objectContaining({ message: expect.stringContaining("checksum") as string }) as Error);
});

test("the same recipient twice is refused: it would look like an escrow and be none", async () => {
  const { recipient } = await generateKeyPair();
  expect(() => parseRecipients([recipient, recipient])).toThrow(expect.objectContaining({ code: "RECIPIENT_INVALID" }) as Error);
});

test("an identity given as a recipient is refused and not repeated", async () => {
  const { identity } = await generateKeyPair();
  const hidden = expect.objectContaining({ code: "RECIPIENT_INVALID", message: expect.not.stringContaining(identity) as string }) as Error;
  expect(() => parseRecipients([identity])).toThrow(hidden);
});

test("a fingerprint is the SHA-256 of the recipient's text", async () => {
  const { recipient } = await generateKeyPair();
  expect(recipientFingerprints([recipient])).toEqual([createHash("sha256").update(recipient).digest("hex")]);
});
