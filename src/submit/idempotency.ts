/**
 * The header Idempotency-Key: the same key and body again are answered what they were the first time. The body's
 * fingerprint is of its bytes: what a client sends again is what it kept.
 */
import { Problem } from "../../core/errors.ts";
import { isIdempotencyKey, MAX_IDEMPOTENCY_KEY } from "../../core/keys.ts";
import type { Idempotency } from "../../core/schema/rpc.ts";

const HEADER = "idempotency-key";
/** 128 bits of SHA-256: two bodies of one key alike by chance are not to be expected. */
const FINGERPRINT_BYTES = 16;

/** Null where the request has no such header. @throws Problem invalid-request where it is none that can be kept */
export async function readIdempotency(
  headers: Headers,
  body: ArrayBuffer | Uint8Array<ArrayBuffer>,
): Promise<Idempotency | null> {
  const key = headers.get(HEADER);
  if (key === null) return null;
  if (!isIdempotencyKey(key)) {
    const detail = `must be 1 to ${MAX_IDEMPOTENCY_KEY} visible ASCII characters`;
    throw new Problem("invalid-request", `The Idempotency-Key ${detail}.`, {
      errors: [{ pointer: "Idempotency-Key:", detail }],
    });
  }
  return { key, fingerprint: await fingerprintOf(body) };
}

async function fingerprintOf(body: ArrayBuffer | Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  return Array.from(digest.subarray(0, FINGERPRINT_BYTES), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
