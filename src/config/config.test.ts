import { mkdtemp } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { configJsonSchema, parseConfig } from "./config.ts";
import { isHoldfastError } from "../lib/errors.ts";

const DAILY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
const ESCROW = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg";

const GOOD = `stateDir: state
keys:
  recipients: [${DAILY}, ${ESCROW}]
  identities: [keys/daily.key]
repositories:
  main:
    kind: local
    options: { path: backups }
policies:
  daily:
    full: { cron: "0 2 * * 0" }
    incremental: { every: 6h }
    repository: main
instances:
  shop:
    engine: mysql
    connection: { socket: /run/mysqld.sock, user: backup }
    policy: daily
    timeZone: Europe/Berlin
`;

function faultsOf(text: string, env: Record<string, string> = {}): string[] {
  try {
    parseConfig(text, "/etc/holdfast.yaml", env);
    return [];
  } catch (error) {
    if (!isHoldfastError(error, "CONFIG_INVALID")) throw error;
    expect(error.message).toBe((error.details["faults"] as string[]).join("\n"));
    return error.details["faults"] as string[];
  }
}

/** The good text with one line replaced or, with an empty `line`, something added at its end. */
function changed(line: string, by: string): string {
  if (line !== "" && !GOOD.includes(line)) throw new Error(`${line} is not in the text`);
  return line === "" ? GOOD + by : GOOD.replace(line, by);
}

describe("a good configuration", () => {
  test("has its defaults and durations, and paths that count from its folder", () => {
    const config = parseConfig(GOOD, "/etc/holdfast/holdfast.yaml", {});
    expect(config).toMatchObject({
      sourceName: "/etc/holdfast/holdfast.yaml",
      stateDir: "/etc/holdfast/state",
      logLevel: "info",
      keys: { recipients: [DAILY, ESCROW], identities: ["/etc/holdfast/keys/daily.key"] },
      repositories: { main: { kind: "local", options: { path: "/etc/holdfast/backups" } } },
      policies: { daily: { incremental: { every: 21_600_000 }, heartbeat: true, logs: { enabled: true, shipEvery: 10_000 } } },
      instances: { shop: { engine: "mysql", policy: "daily", region: "local", timeZone: "Europe/Berlin", connection: { socket: "/run/mysqld.sock", user: "backup" } } },
      agent: { maxJobs: 2, bufferBytes: 134_217_728, spoolBytes: 8_589_934_592 },
    });
  });

  test("may name a gateway, over TLS or on this machine", () => {
    const gatewayOf = (gateway: string): unknown => parseConfig(changed("", `agent: { gateway: ${gateway} }\n`), "/etc/holdfast.yaml", {}).agent.gateway;
    expect(gatewayOf('{ url: "https://backup.example:7443", caFile: ca.pem }')).toEqual({ url: "https://backup.example:7443", caFile: "/etc/ca.pem" });
    for (const url of ["http://127.0.0.1:7443", "http://[::1]:7443", "http://localhost:7443", "https://backup/"]) expect(gatewayOf(`{ url: "${url}" }`)).toEqual({ url });
  });

  test("keeps its state beside the file unless told otherwise", () => {
    expect(parseConfig(changed("stateDir: state\n", ""), "/etc/holdfast.yaml", {}).stateDir).toBe("/etc/holdfast-state");
  });

  test("gives way to the environment", () => {
    const config = parseConfig(GOOD, "/etc/holdfast.yaml", { HOLDFAST_STATE_DIR: "/var/lib/hf", HOLDFAST_LOG_LEVEL: "debug", HOLDFAST_CONFIG: "x", PATH: "/bin" });
    expect([config.stateDir, config.logLevel]).toEqual(["/var/lib/hf", "debug"]);
  });

  test("changes nothing on disk by being read", async () => {
    const dir = await mkdtemp("/tmp/hf-");
    parseConfig(GOOD, `${dir}/holdfast.yaml`, {});
    const { readdir, rm } = await import("node:fs/promises");
    expect(await readdir(dir)).toEqual([]);
    await rm(dir, { recursive: true });
  });
});

describe("a configuration with faults", () => {
  test("shows all of them at once, in order of their lines", () => {
    const text = GOOD.replace('cron: "0 2 * * 0"', 'cron: "often"').replace("repository: main", "repository: mian").replace("timeZone: Europe/Berlin", "timeZone: Europe/Berln").replace(ESCROW, "age1nonsense");
    expect(faultsOf(text)).toEqual([
      '/etc/holdfast.yaml:3: keys.recipients.1: "age1nonsense" is not an age X25519 recipient (age1 and 58 more characters).',
      expect.stringMatching(/^\/etc\/holdfast\.yaml:11: policies\.daily\.full\.cron: "often" is not a cron expression \(.+\); write five or six fields/),
      '/etc/holdfast.yaml:13: policies.daily.repository: there is no repository "mian"; did you mean main? Known: main',
      '/etc/holdfast.yaml:19: instances.shop.timeZone: "Europe/Berln" is not an IANA time zone, for example Europe/Berlin or UTC',
    ]);
  });

  test.each([
    ["an unknown key", "logLevl: debug\n", ['/etc/holdfast.yaml:20: logLevl: is not a known key; did you mean logLevel?']],
    ["an unknown section", "metrics: {}\n", [expect.stringContaining("metrics: is not a known key; known here: stateDir, logLevel, keys")]],
    ["a list where a group belongs", "agent: [1]\n", ["/etc/holdfast.yaml:20: agent: the value is a list, where a value of type object is expected"]],
    ["a budget in which nothing could flow", "agent: { bufferBytes: 1MiB }\n", ["/etc/holdfast.yaml:20: agent.bufferBytes: \"1MiB\" is refused: must be at least 32MiB"]],
    ["a gateway without TLS on another machine", 'agent: { gateway: { url: "http://backup:7443" } }\n', [expect.stringMatching(/:20: agent\.gateway\.url: "http:\/\/backup:7443" is without TLS and leads to another machine/)]],
    ["a gateway that is no address", "agent: { gateway: { url: backup } }\n", [expect.stringContaining('agent.gateway.url: "backup" is not the address of a gateway; write https://<host>:<port>')]],
    ["a path behind a gateway's address", 'agent: { gateway: { url: "https://backup/v1" } }\n', [expect.stringContaining("is not the address of a gateway")]],
    ["an address without a port", "listen: { address: 0.0.0.0 }\n", [expect.stringContaining('listen.address: "0.0.0.0" is not an address with a port')]],
    ["tokens in the clear beyond loopback", "listen: { address: '0.0.0.0:7443', withoutTls: on-loopback }\n", [expect.stringContaining('listen.withoutTls: "0.0.0.0:7443" is not on loopback')]],
    ["a number out of range", "agent: { maxJobs: 0 }\n", ["/etc/holdfast.yaml:20: agent.maxJobs: 0 is less than the smallest that is allowed, 1"]],
  ])("%s", (_what, added, faults) => {
    expect(faultsOf(changed("", added))).toEqual(faults);
  });

  test.each([
    ["an unknown engine", "engine: mysql", "engine: mysqll", ['/etc/holdfast.yaml:16: instances.shop.engine: "mysqll" is not one of "mysql"']],
    ["an unknown kind of repository", "kind: local", "kind: tape", ['/etc/holdfast.yaml:7: repositories.main.kind: "tape" is not one of "local", "s3"']],
    ["a repository without its options", "    options: { path: backups }\n", "", [expect.stringMatching(/:6: repositories\.main\.options: is missing/)]],
    ["a lock for what cannot be locked", "repository: main", "repository: main\n    lockFor: 30d", [expect.stringMatching(/: policies\.daily\.lockFor: the repository "main" has no `lock`/)]],
    ["a bucket that lacks its name", "kind: local\n    options: { path: backups }", "kind: s3\n    options: { endpoint: http://store }", ["/etc/holdfast.yaml:8: repositories.main.options.bucket: is missing; write a value of type string"]],
    ["requests counted where none are sent", "{ path: backups }", "{ path: backups }\n    limits: { requestsPerS: 5 }", [expect.stringMatching(/:9: repositories\.main\.limits\.requestsPerS: is not a known key/)]],
    ["a limit below which nothing flows", "{ path: backups }", "{ path: backups }\n    limits: { uploadBytesPerS: 1KiB }", ['/etc/holdfast.yaml:9: repositories.main.limits.uploadBytesPerS: "1KiB" is refused: must be at least 64KiB']],
    ["a driver's unknown option", "{ path: backups }", "{ path: backups, pth: x }", ["/etc/holdfast.yaml:8: repositories.main.options.pth: is not a known key; did you mean path?"]],
    ["a misspelt option of an engine", "user: backup", "usr: backup", ["/etc/holdfast.yaml:17: instances.shop.connection.usr: is not a known key; did you mean user?"]],
    ["an unknown policy", "policy: daily", "policy: nightly", ['/etc/holdfast.yaml:18: instances.shop.policy: there is no policy "nightly"; known: daily']],
    ["a name that is none", "  main:", "  Main Store:", ['/etc/holdfast.yaml:6: repositories.Main Store: "Main Store" is not a name; use lower-case letters, digits, \'.\', \'_\' and \'-\', at most 63 of them', expect.stringContaining('there is no repository "main"; known: Main Store')]],
    ["a duration that is none", "every: 6h", "every: 6 hours", [expect.stringContaining(':12: policies.daily.incremental.every: "6 hours" is not a duration')]],
    ["a cron expression that never comes", "0 2 * * 0", "0 0 30 2 *", ['/etc/holdfast.yaml:11: policies.daily.full.cron: "0 0 30 2 *" never comes due']],
    ["a secret key among the recipients", ESCROW, `AGE-SECRET-KEY-${"1".repeat(20)}`, ["/etc/holdfast.yaml:3: keys.recipients.1: An identity (AGE-SECRET-KEY-…) stands where a recipient is due."]],
    ["one recipient twice", ESCROW, DAILY, [expect.stringContaining(":3: keys.recipients: The recipient age1")]],
  ])("%s is named with its line", (_what, line, by, faults) => {
    expect(faultsOf(changed(line, by))).toEqual(faults);
  });

  test("a password is never shown", () => {
    const faults = faultsOf(changed("user: backup", "user: backup, password: [hunter2]"));
    expect(faults).toHaveLength(1);
    expect(faults.join()).toContain("connection.password: the value (not shown)");
    expect(faults.join()).not.toContain("hunter2");
  });

  test("text that is no YAML is shown with its lines and nothing else", () => {
    const faults = faultsOf("stateDir: [\nkeys: {}\n");
    expect(faults.length).toBeGreaterThan(0);
    expect(faults.every((fault) => /^\/etc\/holdfast\.yaml:\d+: /.test(fault))).toBe(true);
    expect(faults.join()).not.toContain("is missing");
  });

  test.each([
    ["that leads nowhere", "keys: *lost", "Unresolved alias"],
    ["that stands inside of what it stands for", "keys: &a { recipients: [*a] }", "inside of what it stands for"],
    ["of aliases of aliases", ["a: &a [x, x]", ...Array.from({ length: 9 }, (_, n) => `${"abcdefghij"[n + 1] ?? ""}: &${"abcdefghij"[n + 1] ?? ""} [${Array.from({ length: 9 }, () => `*${"abcdefghij"[n] ?? ""}`).join(", ")}]`)].join("\n"), "alias"],
  ])("an alias %s is a fault of the text", (_what, yaml, says) => {
    expect(faultsOf(yaml).join("\n")).toMatch(new RegExp(says));
  });

  test("a key that stands twice is a fault", () => {
    expect(faultsOf(changed("", "stateDir: other\n"))).toEqual([expect.stringContaining("/etc/holdfast.yaml:20: ")]);
  });

  test("an empty file lacks what every configuration needs", () => {
    expect(faultsOf("")).toEqual([expect.stringContaining("/etc/holdfast.yaml:1: keys: is missing")]);
    expect(faultsOf("just text")).toEqual([expect.stringContaining("a value of type object is expected")]);
  });

  test("a wrong or unknown variable of the environment is named as such", () => {
    expect(faultsOf(GOOD, { HOLDFAST_LOG_LEVEL: "loud", HOLDFAST_STATEDIR: "x", HOLDFAST_ZZZZZZZZZ: "y" })).toEqual([
      "environment: HOLDFAST_STATEDIR is not a known variable; did you mean HOLDFAST_STATE_DIR?",
      expect.stringContaining("environment: HOLDFAST_ZZZZZZZZZ is not a known variable; known: "),
      'environment: HOLDFAST_LOG_LEVEL: "loud" is not one of "debug", "info", "warn", "error"',
    ]);
  });

  test("a state directory too deep for a socket is refused with its length", () => {
    expect(faultsOf(changed("stateDir: state", `stateDir: /${"d".repeat(70)}`))).toEqual([expect.stringContaining("has 71 bytes; at most 64 are allowed")]);
  });
});

test("a bucket is a repository: its files are found beside the configuration, and its secret is not kept", () => {
  const options = "{ endpoint: https://store.example.org, bucket: backups, accessKeyId: id, secretAccessKeyFile: s3.secret, lock: { mode: compliance } }";
  const inFile = parseConfig(changed("kind: local\n    options: { path: backups }", `kind: s3\n    options: ${options}`), "/etc/holdfast.yaml", {});
  expect(inFile.repositories["main"]).toMatchObject({ kind: "s3", options: { bucket: "backups", secretAccessKeyFile: "/etc/s3.secret", lock: { mode: "compliance" } } });
  const inline = parseConfig(changed("kind: local\n    options: { path: backups }", `kind: s3\n    options: ${options.replace("secretAccessKeyFile: s3.secret", "secretAccessKey: sesame")}`), "/etc/holdfast.yaml", {});
  expect(JSON.stringify(inline.withoutSecrets)).not.toContain("sesame");
  expect(inline.withoutSecrets).toMatchObject({ repositories: { main: { options: { accessKeyId: "id", secretAccessKey: expect.stringContaining("not kept") as string } } } });
});

test("the schema for editors knows the options of drivers and engines, and their words", () => {
  const text = JSON.stringify(configJsonSchema());
  for (const word of ["passwordFile", "shipEvery", "recipients", "An interval such as 6h", '"const":"mysql"', '"const":"local"']) expect(text).toContain(word);
});

describe("a keyholder", () => {
  const withKeyholder = (keyholder: string): string => GOOD.replace("  identities: [keys/daily.key]\n", "").replace("repositories:", `keyholder: ${keyholder}\nrepositories:`);

  test.each([
    ["{ socket: k.sock }", { socket: "/etc/k.sock" }],
    ['{ address: "keys.example.net:8444", certificate: c.pem, key: k.pem, ca: /ca.pem }', { address: "keys.example.net:8444", certificate: "/etc/c.pem", key: "/etc/k.pem", ca: "/ca.pem" }],
  ])("is named by %s", (text, keyholder) => {
    expect(parseConfig(withKeyholder(text), "/etc/holdfast.yaml", {})).toMatchObject({ keyholder, keys: { identities: [] } });
  });

  test.each([
    ["{}", ["keyholder: needs `socket` or `address`"]],
    ['{ socket: k.sock, address: "h:1" }', ["`socket` and `address` are both there", "keyholder.certificate: is missing", "keyholder.key: is missing", "keyholder.ca: is missing"]],
    ["{ socket: k.sock, key: k.pem }", ["keyholder.key: belongs to `address`"]],
    ["{ address: somewhere, certificate: c, key: k, ca: a }", ['keyholder.address: "somewhere" is not an address']],
  ])("is refused as %s", (text, words) => {
    const faults = faultsOf(withKeyholder(text));
    expect(faults).toHaveLength(words.length);
    for (const word of words) expect(faults.join("\n")).toContain(word);
  });

  test("and identity files together are refused: identities are in one place", () => {
    expect(faultsOf(GOOD.replace("repositories:", "keyholder: { socket: k.sock }\nrepositories:"))).toEqual(["/etc/holdfast.yaml:4: keys.identities: must be empty: the identities are in the keyholder that `keyholder` names"]);
  });
});
