import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "../lib/process.ts";

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
const VALID_DAYS = "2";

/** An authority of a demo's or test's own, made with openssl. */
export interface Authority {
  readonly caFile: string;
  /** A certificate for 127.0.0.1, good for both sides of a connection. */
  issue(name: string): Promise<{ certificateFile: string; keyFile: string }>;
}

/** Its key and all that it issues lie in `dir`. */
export async function makeAuthority(dir: string, name: string): Promise<Authority> {
  const file = (end: string): string => join(dir, end);
  const openssl = (...args: readonly string[]): Promise<unknown> => runTool({ file: "openssl", args });
  const [caFile, caKey] = [file(`${name}-ca.pem`), file(`${name}-ca.key`)];
  await openssl("req", "-x509", ...NEW_KEY, "-keyout", caKey, "-out", caFile, "-days", VALID_DAYS, "-subj", `/CN=${name} authority`);
  await writeFile(file("names"), "subjectAltName=IP:127.0.0.1\n");
  return {
    caFile,
    issue: async (who) => {
      const [certificateFile, keyFile, request] = [file(`${who}.pem`), file(`${who}.key`), file(`${who}.csr`)];
      await openssl("req", ...NEW_KEY, "-keyout", keyFile, "-out", request, "-subj", `/CN=${who}`);
      await openssl("x509", "-req", "-in", request, "-CA", caFile, "-CAkey", caKey, "-CAcreateserial", "-out", certificateFile, "-days", VALID_DAYS, "-extfile", file("names"));
      return { certificateFile, keyFile };
    },
  };
}
