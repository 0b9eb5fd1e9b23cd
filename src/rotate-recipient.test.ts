import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { generateKeyPair, type KeyPair, writeIdentityFile } from "./keys/identities.ts";
import { systemClock } from "./lib/clock.ts";
import { replaceRecipient, rotateRecipient } from "./rotate-recipient.ts";

let folder: string;
let configPath: string;
let daily: KeyPair;
let escrow: KeyPair;
let next: KeyPair;
let text: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hf-rr-"));
  configPath = join(folder, "holdfast.yaml");
  [daily, escrow, next] = await Promise.all([generateKeyPair(), generateKeyPair(), generateKeyPair()]);
  for (const [name, pair] of [["daily.key", daily], ["next.key", next]] as const) await writeIdentityFile(join(folder, name), pair, systemClock);
  text = `# the daily one was ${daily.recipient}
stateDir:   state   # as it was
keys:
  recipients:
    - "${daily.recipient}"   # daily
    - ${escrow.recipient}
  identities: [daily.key]
repositories: { main: { kind: local, options: { path: repository } } }
policies:
  plain: { repository: main, full: { every: 7d } }
  special: { repository: main, full: { every: 7d }, recipients: [${escrow.recipient}, '${daily.recipient}'] }
`;
  await writeFile(configPath, text);
  await chmod(configPath, 0o640);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const rotate = (more: Partial<Parameters<typeof rotateRecipient>[0]> = {}) => rotateRecipient({ configPath, env: {}, from: daily.recipient, to: next.recipient, isToBeWritten: true, ...more });

describe("a rotation", () => {
  test("changes the recipient wherever it is one, and not a byte else", async () => {
    const rotated = await rotate();
    expect(rotated.places).toEqual([{ field: "keys.recipients.0", line: 5 }, { field: "policies.special.recipients.1", line: 11 }]);
    const expected = text.replace(`"${daily.recipient}"`, `"${next.recipient}"`).replace(`'${daily.recipient}'`, `'${next.recipient}'`);
    expect(await readFile(configPath, "utf8")).toBe(expected);
    expect((await stat(configPath)).mode & 0o777).toBe(0o640);
    expect((await readdir(folder)).toSorted()).toEqual(["daily.key", "holdfast.yaml", "next.key"]);
  });

  test("only shows it unless it is told to write", async () => {
    expect(await rotate({ isToBeWritten: false })).toMatchObject({ isWritten: false, places: [{ line: 5 }, { line: 11 }] });
    expect(await readFile(configPath, "utf8")).toBe(text);
  });

  test("leaves a link a link", async () => {
    const link = join(folder, "link.yaml");
    await symlink(configPath, link);
    await rotate({ configPath: link });
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await readFile(configPath, "utf8")).toContain(`"${next.recipient}"`);
  });

  test("follows an alias to where the recipient stands", () => {
    const aliased = `keys: { recipients: &all [${daily.recipient}] }\npolicies: { a: { recipients: *all } }\n`;
    expect(replaceRecipient(aliased, daily.recipient, next.recipient)).toEqual({ text: aliased.replace(daily.recipient, next.recipient), places: [{ field: "policies.a.recipients.0", line: 1 }] });
  });

  test.each<[string, () => Parameters<typeof rotate>[0], string]>([
    ["a recipient that is not named", () => ({ from: next.recipient, to: daily.recipient }), "NOT_FOUND"],
    ["one that stands there already", () => ({ to: escrow.recipient }), "CONFIG_INVALID"],
    ["the same", () => ({ to: daily.recipient }), "INPUT_INVALID"],
    ["what is no recipient", () => ({ to: "age1wrong" }), "RECIPIENT_INVALID"],
    ["an identity", () => ({ to: daily.identity }), "RECIPIENT_INVALID"],
    ["a file that is not there", () => ({ configPath: join(folder, "none.yaml") }), "CONFIG_INVALID"],
  ])("to %s is refused, and nothing is changed", async (_what, options, code) => {
    await expect(rotate(options())).rejects.toMatchObject({ code, message: expect.not.stringContaining("AGE-SECRET-KEY-1") as string });
    expect(await readFile(configPath, "utf8")).toBe(text);
  });

  test("warns when the new identity is missing where the old one was, and only then", async () => {
    expect((await rotate({ isToBeWritten: false })).diagnoses).toMatchObject([{ status: "warning", remedy: expect.stringContaining("keys.identities") as string }]);
    expect((await rotate({ from: escrow.recipient, isToBeWritten: false })).diagnoses).toMatchObject([{ status: "ok", message: expect.stringContaining("an escrow") as string }]);
    await writeFile(configPath, text.replace("[daily.key]", "[daily.key, next.key]"));
    expect((await rotate({ isToBeWritten: false })).diagnoses).toMatchObject([{ status: "ok" }]);
  });
});
