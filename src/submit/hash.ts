/** SHA-256 cut to 128 bits, as hex: two texts alike by chance are not to be expected, nor to be found by search. */
const KEPT_BYTES = 16;

export async function hashBytes(bytes: ArrayBuffer | ArrayBufferView): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest.subarray(0, KEPT_BYTES), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function hashText(text: string): Promise<string> {
  return hashBytes(new TextEncoder().encode(text));
}
