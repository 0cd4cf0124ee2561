/** Reads at most so many bytes of a body and lets go of the rest, so that no server can fill the isolate's memory. */
import { countOf } from "../../../core/count-of.ts";

export interface ReadBody {
  readonly bytes: Uint8Array;
  /** There was more. */
  readonly truncated: boolean;
}

/** Throws (to be tried again) where the body breaks off: connection lost, or fewer bytes than the server announced. */
export async function readBody(response: Response, limit: number): Promise<ReadBody> {
  if (!response.body) return { bytes: new Uint8Array(0), truncated: false };
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  let truncated = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const room = limit - length;
      chunks.push(value.byteLength > room ? value.subarray(0, room) : value);
      length += Math.min(room, value.byteLength);
      if (value.byteLength > room) {
        truncated = true;
        break;
      }
    }
  } catch (error) {
    if (error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError")) throw error;
    throw new Error(`the body broke off after ${countOf(length, "byte")}`, { cause: error });
  }
  if (truncated) await reader.cancel().catch(() => {});
  return { bytes: join(chunks, length), truncated };
}

function join(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}
