import { fromErrorRecord, HoldfastError } from "../lib/errors.ts";

/** Takes an HTTP answer apart: the value of a good one, the server's own error of a bad one. Shared by all transports. */
export function readAnswer(status: number, text: string): unknown {
  const value = parseJson(status, text);
  if (status >= 200 && status < 300) return value;
  const record = errorOf(value);
  if (record !== null) throw fromErrorRecord(record);
  throw new HoldfastError("INTERNAL", `The server answered with status ${String(status)} and no error that can be read.`);
}

function parseJson(status: number, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new HoldfastError("INTERNAL", `The server's answer (status ${String(status)}) is not JSON.`, { cause, hint: "Check that this socket belongs to Holdfast." });
  }
}

function errorOf(value: unknown): Parameters<typeof fromErrorRecord>[0] | null {
  if (typeof value !== "object" || value === null || !("error" in value)) return null;
  const { error } = value;
  if (typeof error !== "object" || error === null || !("code" in error) || !("message" in error)) return null;
  return error as Parameters<typeof fromErrorRecord>[0];
}
