import fc from "fast-check";
import { expect, test } from "vitest";
import { generateKeyPair } from "./identities.ts";
import { identityOfLines, isWholeIdentity, paperLines, paperLineText, readPaperLine } from "./paper-identity.ts";

test("an identity comes back from its lines, typed with number and code, without, and in small letters", async () => {
  const { identity } = await generateKeyPair();
  const lines = paperLines(identity);
  expect(lines.map(({ text }) => text.length)).toEqual([15, 15, 15, 13]);
  for (const typed of [paperLineText, ({ text }: { text: string }) => text, ({ text }: { text: string }) => text.toLowerCase(), ({ number, text }: { number: number; text: string }) => `${String(number)}. ${text}`]) {
    expect(identityOfLines(lines.map((line) => readPaperLine(line.number, typed(line))))).toBe(identity);
  }
});

const IDENTITY = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

test("a line looks the same for ever: papers outlive versions", () => {
  const lines = paperLines(IDENTITY);
  expect(lines.map(paperLineText)).toEqual(["1  GFPYY SJZGF PYYSJ  = MMA", "2  ZGFPY YSJZG FPYYS  = YQU", "3  JZGFP YYSJZ GFPYY  = PTN", "4  SJZGF PQ4EG AEX    = 3T7"]);
});

test("one wrong letter is noticed by the code nearly always, and named by the line", () => {
  const [line] = paperLines(IDENTITY);
  let missed = 0;
  let tried = 0;
  for (let place = 0; place < 15; place += 1) {
    for (const letter of "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L") {
      if (letter === line!.text[place]) continue;
      tried += 1;
      const typed = `${line!.text.slice(0, place)}${letter}${line!.text.slice(place + 1)} = ${line!.code}`;
      try {
        readPaperLine(1, typed);
        missed += 1;
      } catch (error) {
        expect(error).toMatchObject({ code: "INPUT_INVALID", message: expect.stringContaining("Line 1") as string });
      }
    }
  }
  expect(tried).toBe(465);
  expect(missed).toBeLessThanOrEqual(1);
});

test("a line under another number, and letters that no identity has, are refused", async () => {
  const [first, second] = paperLines((await generateKeyPair()).identity);
  expect(() => readPaperLine(1, paperLineText({ ...second!, number: 1 }))).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }) as Error);
  expect(() => readPaperLine(1, `${first!.text.slice(1)}O`)).toThrow(/"O" stands in no identity/);
});

test("nothing that is typed makes it fail in another way", () => {
  fc.assert(
    fc.property(fc.string(), (typed) => {
      try {
        readPaperLine(2, typed);
      } catch (error) {
        expect(error).toMatchObject({ code: "INPUT_INVALID", message: expect.stringMatching(/^Line 2 was not typed as it is on paper: (".{1,8}" stands in no identity|its letters and its code do not go together)\.$/u) as string });
      }
    }),
  );
});

test("a whole identity is told from a line", () => {
  expect([isWholeIdentity(" age-secret-key-1qq"), isWholeIdentity("QPZRY 9X8GF")]).toEqual([true, false]);
});
