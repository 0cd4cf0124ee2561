/**
 * Makes a body a JSON string: as text where its type says text and its bytes are well-formed in their charset, else as
 * base64. A body cut in the middle of a character loses that character's bytes, nothing else.
 */

export interface EncodedBody {
  readonly text: string;
  readonly encoding: "text" | "base64";
  /** How many bytes of the body `text` stands for. */
  readonly bytes: number;
}

/** text/*, JSON, XML, forms, JavaScript, YAML; nothing said counts as text too, if it is UTF-8. */
const TEXTUAL =
  /^(text\/|application\/(?:[\w.-]+\+)?(?:json|xml|yaml)\b|application\/(?:javascript|x-ndjson|x-www-form-urlencoded|graphql|sql|toml|x-yaml)|image\/svg\+xml)/i;

/** @param contentType the header's value; its charset decides where it names one that is known, else UTF-8 */
export function encodeBody(bytes: Uint8Array, contentType: string | null): EncodedBody {
  if (contentType === null || contentType === "" || TEXTUAL.test(contentType)) {
    const text = decode(bytes, /;\s*charset="?([^\s;"]+)/i.exec(contentType ?? "")?.[1] ?? "utf-8");
    if (text !== null) return { text, encoding: "text", bytes: bytes.byteLength };
  }
  return base64(bytes);
}

function decode(bytes: Uint8Array, charset: string): string | null {
  let decoder: TextDecoder;
  try {
    decoder = new TextDecoder(charset, { fatal: true, ignoreBOM: false });
  } catch {
    if (charset === "utf-8") return null;
    return decode(bytes, "utf-8");
  }
  try {
    // As a stream, so that a character cut at the end is left out instead of making all of it ill-formed.
    return decoder.decode(bytes, { stream: true });
  } catch {
    return null;
  }
}

function base64(bytes: Uint8Array): EncodedBody {
  let binary = "";
  for (let at = 0; at < bytes.byteLength; at += 8_192) binary += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return { text: btoa(binary), encoding: "base64", bytes: bytes.byteLength };
}

/**
 * Cuts a body so that it takes at most `limit` bytes as JSON text: base64 is a third longer than its bytes, and a
 * control character takes six. The bytes of a cut text are counted as UTF-8.
 */
export function fitBody(body: EncodedBody, limit: number): EncodedBody {
  if (body.encoding === "base64") {
    const length = Math.floor(Math.min(body.text.length, limit - 2) / 4) * 4;
    if (length === body.text.length) return body;
    return { ...body, text: body.text.slice(0, length), bytes: (length / 4) * 3 };
  }
  if (body.text.length * 6 + 2 <= limit) return body;
  let json = 2;
  let bytes = 0;
  let at = 0;
  while (at < body.text.length) {
    const point = body.text.codePointAt(at) ?? 0;
    const width = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    const cost = point >= 0x20 ? (point === 0x22 || point === 0x5c ? 2 : width) : controlCost(point);
    if (json + cost > limit) break;
    json += cost;
    bytes += width;
    at += width === 4 ? 2 : 1;
  }
  return at === body.text.length ? body : { ...body, text: body.text.slice(0, at), bytes };
}

/** \b \t \n \f \r have short escapes, the others are \u00XX. */
function controlCost(point: number): number {
  return point === 8 || point === 9 || point === 10 || point === 12 || point === 13 ? 2 : 6;
}
