/**
 * The header Idempotency-Key: the same key and body again are answered what they were the first time. The body's
 * fingerprint is of its bytes: what a client sends again is what it kept. The key itself stays at the door: it outlives the
 * data of its task, and may be somebody's.
 */
import { Problem } from "../../core/errors.ts";
import { isCallersKey } from "../../core/keys.ts";
import type { Idempotency } from "../../core/schema/answer.ts";
import type { Ctx } from "../door.ts";
import { hashBytes, hashText } from "./hash.ts";

const HEADER = "idempotency-key";

/** Its hash; null where the request has no such header. @throws Problem invalid-request where it is none that can be kept */
export async function readKey(headers: Headers): Promise<string | null> {
  const key = headers.get(HEADER);
  if (key === null) return null;
  if (isCallersKey(key)) return await hashText(key);
  const detail = "must be 1 to 255 visible ASCII characters";
  throw new Problem("invalid-request", `The Idempotency-Key ${detail}.`, {
    errors: [{ pointer: "Idempotency-Key:", detail }],
  });
}

/** As {@link readKey}, with the body that came with it. */
export async function readIdempotency(
  headers: Headers,
  body: ArrayBuffer | ArrayBufferView,
): Promise<Idempotency | null> {
  const key = await readKey(headers);
  return key === null ? null : { key, fingerprint: await hashBytes(body) };
}

/** As {@link readIdempotency}, of a request whose answer the Directory keeps: a key counts within its path. */
export async function readPathKey(
  { req }: Ctx,
  body: ArrayBuffer | Uint8Array<ArrayBuffer>,
): Promise<Idempotency | null> {
  const told = await readIdempotency(req.raw.headers, body);
  return told && { ...told, key: `${req.path} ${told.key}` };
}
