/** A server's or tool's version. Majors may be anything: 5, 10, 13, or a year. */
export interface Version {
  readonly flavour: "mariadb" | "percona" | "mysql";
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** `10.11`: within it, data files and tools fit each other. */
  readonly series: string;
  /** `10.11.19` */
  readonly text: string;
}

/**
 * Reads what a server or tool says of itself, such as `10.11.19-MariaDB-0+deb12u1`, `5.5.5-10.4.2-MariaDB` or
 * `mariadb-backup based on MariaDB server 10.11.19-MariaDB debian-linux-gnu`; null when there is no version in it.
 * `comment` is @@version_comment, which alone tells Percona Server from MySQL.
 */
export function parseVersion(text: string, comment = ""): Version | null {
  const mariadb = /mariadb/i.test(text) || /mariadb/i.test(comment);
  const match = /(\d+)\.(\d+)\.(\d+)/.exec(mariadb ? marked(text) : text);
  if (match === null) return null;
  const [major, minor, patch] = [Number(match[1]), Number(match[2]), Number(match[3])];
  return {
    flavour: mariadb ? "mariadb" : /percona/i.test(`${text} ${comment}`) ? "percona" : "mysql",
    major,
    minor,
    patch,
    series: `${String(major)}.${String(minor)}`,
    text: `${String(major)}.${String(minor)}.${String(patch)}`,
  };
}

/** The part that is MariaDB's own version: before `-MariaDB` where it stands there, and never the `5.5.5-` put in front for old clients. */
function marked(text: string): string {
  const own = /(\d+\.\d+\.\d+)-MariaDB/i.exec(text)?.[1];
  return own ?? text.replace(/^5\.5\.5-/, "");
}

/** Negative, zero or positive; flavours are not compared. */
export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch;
}

/** True from this release on, for facts such as `BACKUP STAGE since 10.4`. */
export function isAtLeast(version: Version, major: number, minor: number, patch = 0): boolean {
  return (version.major - major || version.minor - minor || version.patch - patch) >= 0;
}

/**
 * A physical tool must be of the server's flavour and series and not older than the server: MariaDB says that a backup
 * made by another version of mariadb-backup can be unusable, and a newer minor reads what an older one wrote.
 */
export function toolMatchesServer(tool: Version, server: Version): boolean {
  return tool.flavour === server.flavour && tool.series === server.series && compareVersions(tool, server) >= 0;
}
