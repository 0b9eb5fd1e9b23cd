import { isIP } from "node:net";

/** Where a TCP socket is, or listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `host:port`, `[address]:port`; null for anything else. */
export function parseAddress(text: string): Address | null {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535 || (bracketed !== undefined && isIP(bracketed) !== 6)) return null;
  return { host, port };
}
