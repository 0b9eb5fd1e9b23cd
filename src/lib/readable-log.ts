const LEVELS: Readonly<Record<number, string>> = { 10: "trace", 20: "debug", 30: "info ", 40: "WARN ", 50: "ERROR", 60: "FATAL" };
const HIDDEN = new Set(["level", "time", "msg", "err"]);

/** A line of the JSON log for a person's eye: time, level, sentence, then the fields; of an error its message, the stack stays in the file. */
export function readableLine(json: string): string {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const time = typeof record["time"] === "string" ? record["time"] : "";
  const level = LEVELS[Number(record["level"])] ?? "     ";
  const fields = Object.entries(record).filter(([name, value]) => !HIDDEN.has(name) && value !== null);
  const shown = fields.map(([name, value]) => `${name}=${typeof value === "string" && /^\S+$/.test(value) ? value : JSON.stringify(value)}`);
  return `${[time, level, text(record["msg"]), ...shown, ...errorText(record["err"])].join(" ")}\n`;
}

function errorText(err: unknown): string[] {
  if (typeof err !== "object" || err === null) return [];
  const { code, message } = err as { code?: unknown; message?: unknown };
  return [`(${code === undefined ? "" : `${text(code)}: `}${text(message)})`];
}

function text(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}
