import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import { HoldfastError } from "../../lib/errors.ts";
import { compareKeys, UNFINISHED_FOLDER } from "../keys.ts";
import type { StoredObject } from "../storage.ts";
import { ask, type S3Place } from "./place.ts";

/** Every object whose key begins with `prefix`, in key order; a page is asked for when the one before it was taken. */
export async function* listObjects(place: S3Place, prefix: string): AsyncGenerator<StoredObject, void, undefined> {
  let token: string | undefined;
  let last = "";
  do {
    const page = await ask(place, { action: "listed", name: `The ${place.name}` }, () => nextPage(place, prefix, token));
    for (const object of objectsOf(place, page)) {
      // Whoever reads a listing relies on its order, for example to notice what is missing.
      if (last !== "" && compareKeys(last, object.key) >= 0) throw new HoldfastError("STORAGE_UNSUITABLE", `The ${place.name} lists ${object.key} after ${last}, which is not the order of keys.`);
      last = object.key;
      if (!object.key.startsWith(`${UNFINISHED_FOLDER}/`)) yield object;
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
}

async function nextPage(place: S3Place, prefix: string, token: string | undefined): Promise<ListObjectsV2CommandOutput> {
  const page = await place.client.send(
    new ListObjectsV2Command({ Bucket: place.bucket, Prefix: `${place.prefix}${prefix}`, EncodingType: "url", ...(token === undefined ? {} : { ContinuationToken: token }) }),
  );
  // A listing that was cut on its way would pass for a short one.
  const count = page.Contents?.length ?? 0;
  const isWhole = page.IsTruncated !== undefined && (page.KeyCount === undefined || page.KeyCount === count) && page.IsTruncated === (page.NextContinuationToken !== undefined);
  if (!isWhole) throw new HoldfastError("STORAGE_FAILED", `A listing of the ${place.name} came incomplete.`);
  return page;
}

function objectsOf(place: S3Place, page: ListObjectsV2CommandOutput): StoredObject[] {
  return (page.Contents ?? []).map(({ Key, Size }) => {
    if (Key === undefined || Size === undefined) throw new HoldfastError("STORAGE_FAILED", `A listing of the ${place.name} holds an object without key or size.`);
    return { key: decodedKey(Key, page.EncodingType).slice(place.prefix.length), sizeBytes: Size };
  });
}

/** The key as it is: not every character can stand in XML, and not every store encodes although it was asked to. */
export function decodedKey(key: string, encoding: string | undefined): string {
  return encoding === "url" ? decodeURIComponent(key.replaceAll("+", " ")) : key;
}
