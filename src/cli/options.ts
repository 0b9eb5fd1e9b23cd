import { HoldfastError } from "../lib/errors.ts";

/** Reads an option that must be a whole number within bounds. */
export function wholeNumber(flag: string, value: unknown, bounds: { min: number; max: number }): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= bounds.min && number <= bounds.max) return number;
  throw new HoldfastError("USAGE", `${flag} is "${String(value)}", which is not a whole number from ${String(bounds.min)} to ${String(bounds.max)}.`);
}

/** An option's text, or undefined when it was not given. */
export function textOption(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
