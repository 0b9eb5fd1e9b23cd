import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

const PIPE = {
  selector: "CallExpression[callee.property.name='pipe']",
  message: "Use pipeline() of node:stream/promises: .pipe() loses errors.",
};
const EXIT = {
  selector: "MemberExpression[object.name='process'][property.name='exit']",
  message: "Only src/main.ts ends the process: throw, or set process.exitCode.",
};
const DEFAULT_EXPORT = {
  selector: "ExportDefaultDeclaration, ExportSpecifier[exported.name='default']",
  message: "Export by name: one word per concept, the same everywhere.",
};

export default defineConfig(
  globalIgnores(["node_modules/", "coverage/", "web/dist/"]),
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  js.configs.recommended,
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports", disallowTypeAnnotations: false }],
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],

      // `() => log(line)` as a callback is no confusion.
      "@typescript-eslint/no-confusing-void-expression": "off",
      // Wrong wherever a value changes behind an await: `signal.aborted`, a field set by an event, a fake in a test.
      "@typescript-eslint/no-unnecessary-condition": "off",
      // A method of an interface that returns a promise is `async` so that it rejects where it would throw.
      "@typescript-eslint/require-await": "off",
    },
  },
  {
    files: ["**/*.{ts,tsx,js}"],
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "max-lines": ["error", { max: 400, skipBlankLines: false, skipComments: false }],
      "max-lines-per-function": ["error", { max: 60, skipBlankLines: true, skipComments: true }],
      "max-params": ["error", 4],
      "no-restricted-syntax": ["error", PIPE, EXIT, DEFAULT_EXPORT],
    },
  },
  {
    files: ["**/*.test.ts", "test/**/*.ts"],
    rules: {
      // The body of a `describe` is one function.
      "max-lines-per-function": "off",
      // A test that indexes or unwraps what is not there fails, as it should.
      "@typescript-eslint/no-non-null-assertion": "off",
      // `expect(fake.method)` does not call it.
      "@typescript-eslint/unbound-method": "off",
    },
  },
  { files: ["src/main.ts"], rules: { "no-restricted-syntax": ["error", PIPE, DEFAULT_EXPORT] } },
  { files: ["*.config.{js,ts}"], rules: { "no-restricted-syntax": ["error", PIPE, EXIT] } },
  { files: ["**/*.js"], languageOptions: { globals: { process: "readonly" } } },
);
