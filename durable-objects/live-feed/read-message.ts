/** A client's message, read; what is wrong with it comes back as the errors that it is told. */
import { exceedsBytes } from "../../core/bytes.ts";
import { explainIssues } from "../../core/explain-issues.ts";
import {
  type FeedAction,
  type FeedEvent,
  type FeedMessage,
  FeedMessageSchema,
  MAX_MESSAGE_BYTES,
} from "../../core/schema/live-feed.ts";

export type FeedError = Extract<FeedEvent, { event: "error" }>;
export type ReadMessage =
  | { readonly ok: true; readonly action: FeedAction; readonly ids: readonly string[]; readonly queue: string | null }
  | { readonly ok: false; readonly errors: readonly FeedError[] };

/** Of a message with many faults, so many are told. */
const MOST_TOLD = 10;

export function readMessage(message: string | ArrayBuffer): ReadMessage {
  if (typeof message !== "string") return refuse({ code: "invalid-json", detail: "A message is JSON, as text." });
  if (exceedsBytes(message, MAX_MESSAGE_BYTES))
    return refuse({ code: "body-too-large", detail: `A message may have ${MAX_MESSAGE_BYTES} bytes.` });
  let value: unknown;
  try {
    value = JSON.parse(message);
  } catch {
    return refuse({ code: "invalid-json", detail: "The message is not JSON." });
  }
  const parsed = FeedMessageSchema.safeParse(value);
  if (parsed.success) return toRead(parsed.data);
  const faults = explainIssues(parsed.error.issues).slice(0, MOST_TOLD);
  return refuse(...faults.map((fault) => ({ code: "invalid-request", ...fault }) as const));
}

function toRead({ subscribe, unsubscribe }: FeedMessage): ReadMessage {
  const { ids = [], queue = null } = subscribe ?? unsubscribe ?? {};
  return { ok: true, action: subscribe ? "subscribe" : "unsubscribe", ids, queue };
}

function refuse(...errors: readonly Omit<FeedError, "event">[]): ReadMessage {
  return { ok: false, errors: errors.map((error) => ({ event: "error", ...error })) };
}
