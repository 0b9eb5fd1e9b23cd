import { expect, test } from "vitest";
import { asHoldfastError } from "./errors.ts";

test.each([
  ["ENOSPC", "STORAGE_FULL"],
  ["EROFS", "STORAGE_READ_ONLY"],
  ["EMFILE", "STORAGE_FAILED"],
  ["ESRCH", "INTERNAL"],
])("a thrown %s becomes %s and keeps the original", (code, expected) => {
  const error = Object.assign(new Error("write"), { code });
  expect(asHoldfastError(error)).toMatchObject({ code: expected, message: "write", cause: error });
});
