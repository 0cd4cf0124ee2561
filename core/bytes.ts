/**
 * Limits of size, all in UTF-8 bytes of the stored JSON text. SQLite binds at most 2 MB a value and RPC carries 32 MiB
 * a call (PLATFORM, 1 and 2), so whatever joins tasks is cut by bytes as well as by count.
 */
export const KIB = 1024;
export const MIB = 1024 * KIB;

export const MAX_PAYLOAD_BYTES = 256 * KIB;
export const MAX_RESULT_BYTES = 1 * MIB;
export const MAX_ATTEMPTS_BYTES = 64 * KIB;
export const MAX_TAGS_BYTES = 2 * KIB;
/** A row whose texts are larger has a statement of its own. */
export const LARGE_ROW_BYTES = 64 * KIB;
/** What one bound value joins at most: half of SQLite's 2 MB, so that the last row may overshoot. */
export const MAX_BOUND_BYTES = 1 * MIB;
/** What one answer to a session carries at most; one task more than this fits too (RPC: 32 MiB). */
export const MAX_ANSWER_BYTES = 8 * MIB;
/** Submissions are refused (503 `history-backlog`) while a shard holds more history than this that D1 has not taken. */
export const MAX_OUTBOX_BYTES = 1024 * MIB;

/** UTF-8 bytes of a string; a lone surrogate counts 3, as TextEncoder writes it. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      bytes += 2;
      i++;
    } else bytes += 2;
  }
  return bytes;
}

/** Whether a string is longer than `limit` bytes, without counting where its length alone decides. */
export function exceedsBytes(text: string, limit: number): boolean {
  if (text.length > limit) return true;
  return text.length * 3 > limit && utf8Bytes(text) > limit;
}

/** The longest start of a text that has at most `limit` bytes and splits no character. */
export function cutUtf8(text: string, limit: number): string {
  if (!exceedsBytes(text, limit)) return text;
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += utf8Bytes(character);
    if (bytes > limit) break;
    end += character.length;
  }
  return text.slice(0, end);
}

/**
 * Cuts a list into runs of at most `maxBytes` (a single larger item stands alone) and `maxCount` items.
 * @param size bytes of one item
 */
export function* cutByBytes<T>(
  items: readonly T[],
  size: (item: T) => number,
  maxBytes: number,
  maxCount = Number.POSITIVE_INFINITY,
): Generator<T[]> {
  let run: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const next = size(item);
    if (run.length > 0 && (bytes + next > maxBytes || run.length >= maxCount)) {
      yield run;
      run = [];
      bytes = 0;
    }
    run.push(item);
    bytes += next;
  }
  if (run.length > 0) yield run;
}
