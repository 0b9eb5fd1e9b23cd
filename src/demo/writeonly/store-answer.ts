import { S3ServiceException } from "@aws-sdk/client-s3";
import { type Answer, isRefusal } from "./attempt.ts";

/** A call of a store, by the error that it ends with. */
export async function answerOfStore(send: () => Promise<unknown>): Promise<Answer> {
  try {
    const answer = (await send()) as { Errors?: readonly { Code?: string }[]; Deleted?: readonly unknown[] } | undefined;
    // A deletion of many says of each what came of it.
    const refusals = answer?.Errors ?? [];
    if (refusals.length > 0 && (answer?.Deleted ?? []).length === 0) return { refused: true, said: `200 with ${String(refusals.length)} times ${refusals[0]?.Code ?? "no code"}` };
    return { refused: false, said: "done" };
  } catch (error) {
    if (!(error instanceof S3ServiceException)) throw error;
    const status = error.$metadata.httpStatusCode ?? 0;
    return { refused: isRefusal(status), said: `${String(status)} ${error.name}` };
  }
}
