import { z } from "zod";
import { durationSchema } from "../../lib/units.ts";
import { readCaFile } from "../ca-file.ts";
import { defineWay } from "../way.ts";
import { presignedGate } from "./presigned-gate.ts";

/** The store itself, with requests that the server has signed. Where it is and what it is called stands in them. */
export const presignedWay = defineWay({
  kind: "presigned",
  title: "The store itself, with requests that the server signs; for repositories of the kind `s3`",
  options: z.strictObject({
    caFile: z.string().min(1).meta({ path: true }).optional().describe("Certificates (PEM) of the authority that signed the store's; those that the system believes unless told."),
    idleTimeout: durationSchema.prefault("60s").describe("A connection on which nothing moves for this long is given up."),
    plainHttp: z.boolean().default(false).describe("Whether requests may go to a store on another machine without TLS: whoever sees one on its way could use it until it expires."),
  }),
  open: async ({ caFile, idleTimeout, plainHttp }, field) => presignedGate({ ca: await readCaFile(`${field}.caFile`, caFile), silenceMs: idleTimeout, plainHttp }),
});
