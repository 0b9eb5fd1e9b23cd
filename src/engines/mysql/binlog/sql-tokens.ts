/** A name, quoted or not, or one character that means something. */
export interface SqlToken {
  readonly text: string;
  readonly isName: boolean;
  readonly isQuoted: boolean;
}

const TOKENS = /`((?:[^`]|``)*)`|"((?:[^"\\]|""|\\.)*)"|'(?:[^'\\]|''|\\.)*'|\/\*M?!\d*|\/\*.*?\*\/|\*\/|--[\s\p{Cc}][^\n]*|#[^\n]*|([\p{L}\p{N}_$\u0080-\uffff]+)|([^\s])/gsu;

/**
 * Names and signs of a statement. Text in single quotes and comments are left out; what stands in `/*! … *\/` counts,
 * because the server runs it; text in double quotes counts as a name, which it is under ANSI_QUOTES.
 */
export function sqlTokens(sql: string): SqlToken[] {
  const tokens: SqlToken[] = [];
  for (const [, backticked, doubled, bare, sign] of sql.matchAll(TOKENS)) {
    if (backticked !== undefined) tokens.push({ text: backticked.replaceAll("``", "`"), isName: true, isQuoted: true });
    else if (doubled !== undefined) tokens.push({ text: doubled.replaceAll('""', '"'), isName: true, isQuoted: true });
    else if (bare !== undefined) tokens.push({ text: bare, isName: true, isQuoted: false });
    else if (sign !== undefined) tokens.push({ text: sign, isName: false, isQuoted: false });
  }
  return withoutSettings(tokens);
}

/** A token as a word of the language: upper case; empty when it is quoted. */
export function wordOf(token: SqlToken | undefined): string {
  return token === undefined || token.isQuoted ? "" : token.text.toUpperCase();
}

/** `SET STATEMENT name = value FOR …` is the statement behind it. */
function withoutSettings(tokens: SqlToken[]): SqlToken[] {
  if (wordOf(tokens[0]) !== "SET" || wordOf(tokens[1]) !== "STATEMENT") return tokens;
  return tokens.slice(tokens.findIndex((token) => wordOf(token) === "FOR") + 1);
}

const VALUES = /`(?:[^`]|``)*`|'(?:[^'\\]|''|\\.)*(?:'|$)|"(?:[^"\\]|""|\\.)*(?:"|$)|\b(?:0x[0-9a-f]+|\d+(?:\.\d+)?(?:e[+-]?\d+)?)\b/gis;

/** A statement with `?` in the place of every text and number: what it does, without the data. A text that is cut off counts, too. */
export function withoutValues(sql: string): string {
  return sql.replace(VALUES, (found) => (found.startsWith("`") ? found : "?"));
}
