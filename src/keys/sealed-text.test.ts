import { describe, expect, it } from "vitest";
import { generateKeyPair } from "./identities.ts";
import { openSealedText, sealText } from "./sealed-text.ts";

describe("sealed text", () => {
  it("opens with each of its recipients' identities and with no other", async () => {
    const [daily, escrow, stranger] = await Promise.all([generateKeyPair(), generateKeyPair(), generateKeyPair()]);
    const sealed = await sealText("Grüße", [daily.recipient, escrow.recipient]);
    expect(await openSealedText("it", sealed, [daily.identity])).toBe("Grüße");
    expect(await openSealedText("it", sealed, [stranger.identity, escrow.identity])).toBe("Grüße");
    await expect(openSealedText("the letter", sealed, [stranger.identity])).rejects.toMatchObject({ code: "KEY_WRONG", message: "None of the 1 identities here opens the letter." });
  });

  it("does not open when one byte was altered", async () => {
    const { identity, recipient } = await generateKeyPair();
    const sealed = await sealText("text", [recipient]);
    sealed[sealed.length - 1] = (sealed[sealed.length - 1] ?? 0) ^ 1;
    await expect(openSealedText("it", sealed, [identity])).rejects.toMatchObject({ code: "KEY_WRONG" });
  });
});
