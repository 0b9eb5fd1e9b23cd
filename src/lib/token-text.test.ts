import { describe, expect, test } from "vitest";
import { idFactory } from "./ids.ts";
import { isSameHash, makeToken, readToken } from "./token-text.ts";

const newId = idFactory();

describe("the text of a token", () => {
  test("says its kind and id, and its secret is only known by its hash", () => {
    const id = newId();
    const { text, secretHash } = makeToken("join", id);
    expect(readToken(text)).toEqual({ kind: "join", id, secretHash });
    expect(text).not.toContain(secretHash);
    expect(makeToken("join", id).text).not.toBe(text);
  });

  test("anything else is no token", () => {
    const { text } = makeToken("access", newId());
    for (const other of ["", "Bearer x", text.slice(1), text.slice(0, -1), `${text}A`, text.toLowerCase(), text.replace("hfa_", "hfx_"), `${text}\n`]) expect(readToken(other), other).toBeNull();
  });

  test("hashes are the same only when they are", () => {
    const { secretHash } = makeToken("access", newId());
    expect(isSameHash(secretHash, secretHash)).toBe(true);
    expect(isSameHash(secretHash, makeToken("access", newId()).secretHash)).toBe(false);
    expect([isSameHash("", ""), isSameHash(secretHash, "")]).toEqual([false, false]);
  });
});
