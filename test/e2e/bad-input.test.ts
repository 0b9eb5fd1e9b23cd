import { spawnSync } from "node:child_process";
import { chmod, chown, mkdir, rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sandboxAccount } from "../../src/engines/mysql/sandbox-account.ts";
import { type UserPlace, userPlace } from "../fixtures/user-place.ts";
import { describeUnless } from "../skip.ts";

const NO_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const STATUS = ["status"];

let place: UserPlace;
beforeAll(async () => {
  place = await userPlace({ connection: "{ socket: /nowhere/none.sock, user: root }" });
  await place.succeed("apply");
});
afterAll(async () => {
  await place.remove();
});

/** Refused as wrong configuration. */
const refuseConfig = (says: string | RegExp, advises: string | RegExp): Promise<void> => place.refuse({ args: STATUS, exit: 2, code: "CONFIG_INVALID", says, advises });

describe("a configuration", () => {
  it("that is not there is named, and how to make one is said", async () => {
    await place.refuse({ args: ["-c", "nowhere.yaml", "status"], exit: 2, code: "CONFIG_INVALID", says: `There is no file ${place.file("nowhere.yaml")}.`, advises: /Write one .*--config/ });
  });

  it("that is a directory is called one", async () => {
    await place.refuse({ args: ["-c", ".", "status"], exit: 2, code: "CONFIG_INVALID", says: "is a directory, not a file", advises: "Name the file itself" });
  });

  it("that is no YAML is refused with the line", async () => {
    await place.configure(() => "keys: [1,\nrepositories: }\n");
    await refuseConfig(/holdfast\.yaml:2: /, "Correct");
  });

  it("with an unknown key is refused with file, line, field and the key that was meant", async () => {
    await place.configure((yaml) => yaml.replace("stateDir:", "statedir:"));
    await refuseConfig("holdfast.yaml:1: statedir: is not a known key; did you mean stateDir?", "Correct the named fields");
  });

  it("with several faults shows all of them at once", async () => {
    await place.configure((yaml) => yaml.replace("stateDir:", "statedir:").replace("repository: main", "repository: mian").replace("policy: daily", "policy: dayly").replace("Europe/Berlin", "Europe/Berln").replace("0 2 1 1 *", "never"));
    const { stderr } = await place.run(STATUS);
    for (const fault of ["1: statedir: ", "did you mean main?", "did you mean daily?", "instances.shop.timeZone: ", '"never" is not a cron expression']) expect(stderr).toContain(fault);
    await refuseConfig("statedir", "Correct");
  });

  it("with a recipient that is none is refused with its place, and with an identity in its stead without showing it", async () => {
    await place.configure((yaml) => yaml.replace(/recipients: \[age1\w+/, "recipients: [ssh-rsa"));
    await refuseConfig(/holdfast\.yaml:3: keys\.recipients\.0: .*"ssh-rsa"/, "Correct");
    await place.configure((yaml) => yaml.replace(/recipients: \[age1\w+/, "recipients: [AGE-SECRET-KEY-1QQQQ"));
    await refuseConfig("keys.recipients.0: ", "Correct");
    expect((await place.run(STATUS)).stderr).not.toContain("1QQQQ");
  });

  it("whose state directory is a file is refused", async () => {
    await place.configure((yaml) => yaml.replace("stateDir: state", "stateDir: daily.key"));
    await refuseConfig(/state directory .*daily\.key/, "stateDir");
  });
});

describe("a state directory that this user may not write to", () => {
  it("is refused with its path", async () => {
    const through = await unprivileged();
    await mkdir(place.file("closed"), { mode: 0o555 });
    await place.configure((yaml) => yaml.replace("stateDir: state", "stateDir: closed/state"));
    await chmod(place.file("holdfast.yaml"), 0o644);
    await place.refuse({ args: STATUS, exit: 2, code: "CONFIG_INVALID", says: `${place.file("closed/state")} cannot be made`, advises: "Give `stateDir` a place that this user may write to", through });
    await rm(place.file("closed"), { recursive: true });
  });

  it("because it is another user's is told from one where nothing runs", async () => {
    const through = await unprivileged();
    await mkdir(place.file("theirs"), { mode: 0o000 });
    await place.configure((yaml) => yaml.replace("stateDir: state", "stateDir: theirs"));
    await place.refuse({ args: STATUS, exit: 75, code: "UNREACHABLE", says: `This user may not look into ${place.file("theirs")}`, advises: "as the user that Holdfast runs as", through });
    await rm(place.file("theirs"), { recursive: true });
  });
});

/** Root may write everywhere: commands that must not are run as an account without rights. */
async function unprivileged(): Promise<string[]> {
  const account = sandboxAccount();
  if (account === undefined) return [];
  await chmod(place.path, 0o755);
  await chmod(place.file("tmp"), 0o777);
  return ["setpriv", `--reuid=${String(account.uid)}`, `--regid=${String(account.gid)}`, "--clear-groups"];
}

describe("a name that does not exist", () => {
  beforeAll(() => place.configure());

  it("of an instance is refused with the closest one", async () => {
    await place.refuse({ args: ["backup", "run", "shopp"], exit: 4, code: "NOT_FOUND", says: 'There is no instance "shopp"; did you mean shop?', advises: "holdfast instance list" });
  });

  it("of a backup or a job is refused with where to find those that exist", async () => {
    await place.refuse({ args: ["backup", "verify", NO_ID], exit: 4, code: "NOT_FOUND", says: `There is no backup ${NO_ID}; there is none yet.`, advises: "holdfast backup list" });
    await place.refuse({ args: ["job", "show", NO_ID], exit: 4, code: "NOT_FOUND", says: `There is no job ${NO_ID}`, advises: "holdfast job list" });
    await place.refuse({ args: ["backup", "show", "latest"], exit: 2, code: "INPUT_INVALID", says: 'backupId: "latest" is not an id', advises: "Correct" });
  });
});

describe("a goal of a restore", () => {
  const refuseGoal = (goal: readonly string[], code: string, says: string | RegExp, advises: string | RegExp): Promise<void> =>
    place.refuse({ args: ["restore", "plan", "shop", ...goal], exit: 2, code, says, advises });

  it("that is two, or none, is refused", async () => {
    await refuseGoal(["--latest", "--to", "2026-11-21 10:00"], "USAGE", "Exactly one of --to, --gtid, --position, --latest and --backup is needed; 2 were given.", "holdfast restore plan --help");
    await refuseGoal([], "USAGE", "0 were given", "holdfast restore plan --help");
  });

  it("that is no time is refused with how to write one", async () => {
    await refuseGoal(["--to", "yesterday"], "INPUT_INVALID", '"yesterday" is not a time.', /Write for example .*Europe\/Berlin/);
  });

  it("in an hour that exists twice or never is refused: it needs an offset", async () => {
    await refuseGoal(["--to", "2026-10-25 02:30:00"], "INPUT_INVALID", "exists twice", "with an offset");
    await refuseGoal(["--to", "2026-03-29 02:30:00"], "INPUT_INVALID", "does not exist there", "with an offset");
  });
});

describe("a database that cannot be reached", () => {
  const refuseBackup = (exit: number, code: string, says: string | RegExp, advises: string | RegExp): Promise<void> =>
    place.refuse({ args: ["backup", "run", "shop"], exit, code, says, advises });

  it("by a socket that is not there is named with the socket", async () => {
    await place.configure();
    await refuseBackup(10, "DATABASE_UNREACHABLE", "The database server at /nowhere/none.sock cannot be reached", "that the server runs");
  });

  it("because it is down is named with host and port", async () => {
    await place.configure((yaml) => yaml.replace(/connection: .*/, "connection: { host: 127.0.0.1, port: 1, user: root, password: x }"));
    await refuseBackup(10, "DATABASE_UNREACHABLE", "127.0.0.1:1 cannot be reached", "that the server runs");
  });

  it("because its password file is missing is told the file", async () => {
    await place.configure((yaml) => yaml.replace(/connection: .*/, `connection: { socket: /nowhere/none.sock, user: root, passwordFile: ${place.file("none.password")} }`));
    await refuseBackup(2, "CONFIG_INVALID", `The password file ${place.file("none.password")} cannot be read.`, "make it readable");
  });
});

describe("a repository", () => {
  const refuseCheck = (exit: number, code: string, says: string | RegExp, advises: string | RegExp): Promise<void> =>
    place.refuse({ args: ["up"], exit, code, says, advises });

  it("of another installation is refused and left alone", async () => {
    await place.configure((yaml) => yaml.replace("stateDir: state", "stateDir: state/other"));
    await refuseCheck(13, "REPOSITORY_FOREIGN", /belongs to the installation with signing key [0-9a-f]+; this one's is [0-9a-f]+/, /own repository .*catalog rebuild/);
  });

  it("that this user may not write to is refused", async () => {
    await mkdir(place.file("ro"), { mode: 0o555 });
    const through = await unprivileged();
    const account = sandboxAccount();
    await mkdir(place.file("state/foreign"));
    if (account !== undefined) await chown(place.file("state/foreign"), account.uid, account.gid);
    await chmod(place.file("state"), 0o755);
    await place.configure((yaml) => yaml.replace("stateDir: state", "stateDir: state/foreign").replace("path: repository", "path: ro"));
    await chmod(place.file("holdfast.yaml"), 0o644);
    await place.refuse({ args: ["up"], exit: 13, code: "STORAGE_READ_ONLY", says: /ro\/.* could not be written: permission is denied/, advises: "Give the user Holdfast runs as the right", through });
    await rm(place.file("ro"), { recursive: true });
  });
});

/** Whether this process may mount in a mount namespace of its own, which goes with the command run in it. */
function mountsRefused(): string | undefined {
  const tried = spawnSync("unshare", ["--mount", "sh", "-c", "mount -t tmpfs tmpfs /tmp"], { stdio: "ignore" });
  return tried.status === 0 ? undefined : "mounting a file system is not allowed here";
}

describeUnless(mountsRefused(), "a repository on a file system", () => {
  const refuseUp = async (mount: string, code: string, says: RegExp, advises: string): Promise<void> => {
    await mkdir(place.file("disk"));
    await place.configure((yaml) => yaml.replace("stateDir: state", "stateDir: state/mounted").replace("path: repository", "path: disk"));
    await place.refuse({ args: ["up"], exit: 13, code, says, advises, through: ["unshare", "--mount", "sh", "-c", `${mount} && exec "$@"`, "sh"] });
    await rm(place.file("disk"), { recursive: true });
  };

  it("that is full says so", async () => {
    await refuseUp("mount -t tmpfs -o size=4k tmpfs disk && { head -c 9000 /dev/zero >disk/rest 2>/dev/null || true; }", "STORAGE_FULL", /disk\/.* could not be written: the file system is full/, "Free space");
  });

  it("that is mounted read-only says so", async () => {
    await refuseUp("mount -t tmpfs -o ro tmpfs disk", "STORAGE_READ_ONLY", /disk\/.* could not be written: the file system is mounted read-only/, "mount it writable");
  });
});

describe("a second holdfast up", () => {
  it("is refused while the first one runs, and after kill -9 a new one starts", async () => {
    await place.configure();
    const first = await place.startUp();
    await place.refuse({ args: ["up"], exit: 5, code: "ALREADY_RUNNING", says: "is in use by another process", advises: "commands find it by themselves" });
    await first.kill9();
    const second = await place.startUp();
    await place.succeed("status");
    await second.stop();
    await place.succeed("job", "list");
  });
});
