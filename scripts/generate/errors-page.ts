import { ERRORS, type ErrorRow } from "../../src/lib/errors.ts";

const INTRODUCTION = `<!-- Generated from ERRORS in src/lib/errors.ts by \`npm run generate\`; do not edit. -->

# Errors

Every error has a code. A command that fails prints the code, a sentence and a hint, and ends with the exit code of this
table; the API answers with the HTTP status and the same code, sentence and hint as JSON. "Retry" says whether the same
call may succeed later without anybody changing anything. The hint of a particular error may say more than the one here.

| code | exit | HTTP | retry | what to do |
|---|---:|---:|---|---|
`;

/** docs/errors.md: the table of errors, for the people who meet them. */
export function errorsPage(): string {
  return INTRODUCTION + Object.entries<ErrorRow>(ERRORS).map(tableRow).join("");
}

function tableRow([code, row]: [string, ErrorRow]): string {
  return `| \`${code}\` | ${row.exit} | ${row.status} | ${row.retry ? "yes" : "no"} | ${row.hint.replaceAll("|", "\\|")} |\n`;
}
