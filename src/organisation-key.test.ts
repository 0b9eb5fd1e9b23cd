import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tempDir } from "../test/fixtures/temp.ts";
import { parseAgentConfig } from "./config/agent-config.ts";
import { generateKeyPair } from "./keys/identities.ts";
import { verifySigned } from "./lib/signing.ts";
import { RECIPIENTS_KIND } from "./model/signed-recipients.ts";
import { makeOrganisationKey, signRecipients } from "./organisation-key.ts";
import { seenRecipients } from "./seen-recipients.ts";
import { readSignedRecipients } from "./signed-recipients.ts";

const clock = { nowMs: () => Date.parse("2026-11-21T10:00:00Z"), monotonicMs: () => 0 };
let dir: Awaited<ReturnType<typeof tempDir>>;
let recipients: string[];
let made: Awaited<ReturnType<typeof makeOrganisationKey>>;

beforeAll(async () => {
  dir = await tempDir();
  recipients = [(await generateKeyPair()).recipient, (await generateKeyPair()).recipient];
  made = await makeOrganisationKey(join(dir.path, "organisation.key"));
});
afterAll(() => dir.remove());

const sign = (serial?: number, list: readonly string[] = recipients) => signRecipients({ keyPath: made.path, recipients: list, serial, clock });

describe("the organisation's key", () => {
  it("is a file that only its owner may read, and is never written over", async () => {
    expect((await stat(made.path)).mode & 0o777).toBe(0o600);
    const before = await readFile(made.path, "utf8");
    await expect(makeOrganisationKey(made.path)).rejects.toMatchObject({ code: "REFUSED" });
    expect(await readFile(made.path, "utf8")).toBe(before);
  });

  it("signs exactly the recipients, with the serial that is asked for or the seconds of the clock", async () => {
    const expected = { kind: RECIPIENTS_KIND, publicKey: made.publicKey, name: "the list" };
    expect(verifySigned(await sign(7), expected)).toEqual({ serial: 7, signedAt: "2026-11-21T10:00:00.000Z", recipients });
    expect(verifySigned(await sign(), expected).serial).toBe(1_795_255_200);
  });

  it("signs nothing that is no recipient, and not with a file that others may read or that holds no key", async () => {
    await expect(sign(7, ["age1nobody"])).rejects.toMatchObject({ code: "RECIPIENT_INVALID" });
    await expect(sign(7, [recipients[0]!, recipients[0]!])).rejects.toMatchObject({ code: "RECIPIENT_INVALID" });
    const other = join(dir.path, "other.key");
    await expect(signRecipients({ keyPath: other, recipients, serial: 1, clock })).rejects.toMatchObject({ code: "KEY_MISSING" });
    await writeFile(other, "no key", { mode: 0o600 });
    await expect(signRecipients({ keyPath: other, recipients, serial: 1, clock })).rejects.toMatchObject({ code: "FORMAT_INVALID" });
    await chmod(other, 0o640);
    await expect(signRecipients({ keyPath: other, recipients, serial: 1, clock })).rejects.toMatchObject({ code: "REFUSED" });
  });
});

describe("the signed list of a configuration", () => {
  const read = (path: string | undefined, named: readonly string[] = recipients) => readSignedRecipients({ keys: { recipients: named, recipientsSigned: path, identities: [] } });
  const written = async (text: string): Promise<string> => {
    const path = join(dir.path, "recipients.signed.json");
    await writeFile(path, text);
    return path;
  };

  it("is read where one is named, in whatever order it names the recipients", async () => {
    expect(await read(undefined)).toBeUndefined();
    const list = await sign(7, recipients.toReversed());
    expect(await read(await written(JSON.stringify(list, null, 2)))).toEqual(list);
  });

  it("is refused when it is away, is something else, or is for others than the configuration", async () => {
    const refusal = (says: string): object => ({ code: "CONFIG_INVALID", message: expect.stringContaining(says) as unknown });
    await expect(read(join(dir.path, "nowhere"))).rejects.toMatchObject(refusal("keys.recipientsSigned"));
    for (const text of ["", "{}", JSON.stringify({ ...(await sign(7)), kind: "other" })]) await expect(read(await written(text))).rejects.toMatchObject(refusal("holds no signed list"));
    const path = await written(JSON.stringify(await sign(7)));
    await expect(read(path, recipients.slice(1))).rejects.toMatchObject(refusal(`(serial 7) is for ${recipients.join(", ")}`));
  });
});

it("an agent keeps what it has seen, and does not take what it cannot read for nothing", async () => {
  await mkdir(join(dir.path, "keys"));
  const seen = { organisationKey: made.publicKey, serial: 7, sha256: "ab".repeat(32) };
  const lists = seenRecipients(dir.path);
  expect(await lists.read()).toBeNull();
  await lists.write(seen);
  expect(await seenRecipients(dir.path).read()).toEqual(seen);
  await writeFile(join(dir.path, "keys", "recipients-seen.json"), "");
  await expect(lists.read()).rejects.toMatchObject({ code: "CONFIG_INVALID" });
});

it("an agent's file may leave out the connection of an instance that it does not reach, and says so when one is wrong", () => {
  const parse = (instance: string): unknown => parseAgentConfig(`stateDir: /a\nrecipients: [age1x]\nrepositories: {}\ninstances: { shop: ${instance} }\n`, "agent.yaml").instances;
  expect(parse("{ engine: mysql }")).toEqual({ shop: { engine: "mysql" } });
  expect(parse("{ engine: mysql, connection: { socket: /s, user: u } }")).toEqual({ shop: { engine: "mysql", connection: { socket: "/s", user: "u" } } });
  expect(() => parse("{ engine: mysql, connection: {} }")).toThrow("instances.shop.connection");
});

it("an agent's file names its recipients or the organisation's key: one of both", () => {
  const yaml = (lines: string): string => `stateDir: /a\ninstances: {}\nrepositories: {}\n${lines}`;
  expect(parseAgentConfig(yaml(`organisationKey: ${made.publicKey}\n`), "agent.yaml")).toMatchObject({ organisationKey: made.publicKey });
  expect(() => parseAgentConfig(yaml(`organisationKey: ${made.publicKey}\nrecipients: [${recipients.join(", ")}]\n`), "agent.yaml")).toThrow("exactly one of both");
  expect(() => parseAgentConfig(yaml(""), "agent.yaml")).toThrow("neither `recipients` nor `organisationKey`");
  expect(() => parseAgentConfig(yaml("organisationKey: abc\n"), "agent.yaml")).toThrow("is not a public key");
});
