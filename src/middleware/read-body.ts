/**
 * Reads a JSON body and keeps never more of it than BODY_LIMIT, whether the caller told its length or not. The text must be
 * UTF-8: bytes that are not would be replaced in silence, and a payload must come back as it was sent.
 */
import { z } from "zod";
import { MIB } from "../../core/bytes.ts";
import { Problem } from "../../core/errors.ts";
import { explainIssues } from "../../core/explain-issues.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/**
 * The body, parsed.
 * @param limit bytes
 * @throws Problem unsupported-media-type, body-too-large, invalid-json
 */
export async function readJson(request: Request, limit: number): Promise<unknown> {
  return (await readBody(request, limit)).value;
}

export interface Body {
  /** Parsed JSON. */
  readonly value: unknown;
  /** As it came. */
  readonly bytes: ArrayBuffer | Uint8Array<ArrayBuffer>;
}

/** As {@link readJson}, with the bytes that it came as. */
export async function readBody(request: Request, limit: number): Promise<Body> {
  const bytes = await readBytes(request, limit);
  if (bytes.byteLength === 0) throw new Problem("invalid-json", "The request has no body; a JSON object is expected.");
  return { value: parseJson(request, bytes), bytes };
}

const NoFields = z.strictObject({});

/**
 * For a route that reads no body: there may be none, or one without fields.
 * @param limit bytes
 * @returns the body as it came
 * @throws Problem as {@link readJson} and {@link checkBody}
 */
export async function refuseFields(request: Request, limit: number): Promise<Body["bytes"]> {
  const { value, bytes } = await readOptionalBody(request, limit);
  if (value !== undefined) checkBody(NoFields, value);
  return bytes;
}

/** The body, parsed; undefined where there is none. @throws Problem as {@link readJson} */
export async function readOptionalJson(request: Request, limit: number): Promise<unknown> {
  return (await readOptionalBody(request, limit)).value;
}

/** As {@link readOptionalJson}, with the bytes that it came as. */
export async function readOptionalBody(request: Request, limit: number): Promise<Body> {
  const bytes = await readBytes(request, limit);
  return { value: bytes.byteLength === 0 ? undefined : parseJson(request, bytes), bytes };
}

function parseJson(request: Request, bytes: ArrayBuffer | Uint8Array): unknown {
  const type = request.headers.get("content-type");
  if (type !== "application/json" && !isJson(type))
    throw new Problem(
      "unsupported-media-type",
      `The body is ${type === null ? "of no stated type" : `said to be ${type}`}. Send it with Content-Type: application/json.`,
    );
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new Problem("invalid-json", "The body is not UTF-8.");
  }
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new Problem(
      "invalid-json",
      `The body is not JSON: ${thrown instanceof Error ? thrown.message : "it cannot be parsed"}.`,
    );
  }
}

/** A value that a schema takes. @throws Problem invalid-request with every fault */
export function checkBody<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = explainIssues(parsed.error.issues);
  throw new Problem("invalid-request", "The body has a field that is missing, wrong or not known.", { errors });
}

/** application/json, with no charset or UTF-8 (RFC 8259, section 8.1). */
function isJson(type: string | null): boolean {
  return type !== null && /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?;?$/i.test(type.trim());
}

async function readBytes(request: Request, limit: number): Promise<Body["bytes"]> {
  const told = request.headers.get("content-length");
  if (told !== null && Number(told) <= limit) {
    const bytes = await request.arrayBuffer();
    if (bytes.byteLength > limit) throw tooLarge(limit);
    return bytes;
  }
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  if (told !== null) return await refuse(reader, Number(told), limit);
  return await readStream(reader, limit);
}

async function readStream(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    length += next.value.byteLength;
    if (length > limit) return await refuse(reader, 0, limit);
    chunks.push(next.value);
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

/** Of a body that is refused: read and dropped up to this, closed beyond. */
const MAX_DROPPED_BYTES = 64 * MIB;

/**
 * Reads on without keeping anything, then refuses. Most clients (Node's fetch, Python's urllib) send all of a body before
 * they look at the answer: a connection that is closed under them is a broken pipe to them, and the answer never seen.
 * @param expected bytes that are yet to come, as far as that was told
 * @throws Problem always
 */
async function refuse(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  expected: number,
  limit: number,
): Promise<never> {
  let dropped = expected > MAX_DROPPED_BYTES ? expected : 0;
  while (dropped <= MAX_DROPPED_BYTES) {
    const next = await reader.read();
    if (next.done) throw tooLarge(limit);
    dropped += next.value.byteLength;
  }
  await reader.cancel();
  throw tooLarge(limit);
}

function tooLarge(limit: number): Problem {
  return new Problem("body-too-large", `A body may have ${limit} bytes (BODY_LIMIT).`);
}
