/** An age header with a hundred recipients stays under this; a longer one is not believed. */
export const HEADER_LIMIT_BYTES = 64 * 1024;

const NEW_LINE = 0x0a;
const MAC_LINE_START = Buffer.from("\n--- ");

/** Length of the age header at the start of `bytes`, through the line `--- MAC`; null when it does not end there yet. */
export function headerLength(bytes: Buffer): number | null {
  const macLine = bytes.indexOf(MAC_LINE_START);
  if (macLine < 0) return null;
  const end = bytes.indexOf(NEW_LINE, macLine + MAC_LINE_START.length);
  return end < 0 ? null : end + 1;
}
