/** Where a system's own tools are; `setpriv`, without which no tool is started, is among them. */
const SYSTEM = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/**
 * Tools are looked for in these directories and then in the system's own. The PATH that this process was started with counts
 * no longer: what it names may be anybody's to write to.
 */
export function pinTools(directories: readonly string[] | undefined, env: NodeJS.ProcessEnv): void {
  if (directories !== undefined) env["PATH"] = [...directories, ...SYSTEM].join(":");
}
