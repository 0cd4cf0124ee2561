/** Where somebody is told of a task's end, and of which ends; the same of a task's own callback and of a queue's webhooks. */
import { z } from "zod";
import { parsePlainUrl } from "../plain-url.ts";
import { FINISHED, type FinishedStatus } from "../status.ts";

const MAX_URL_LENGTH = 2_048;
export const MAX_EVENTS = FINISHED.length;

export function isReceiverUrl(text: string): boolean {
  return text.length <= MAX_URL_LENGTH && parsePlainUrl(text, MAX_URL_LENGTH) !== null;
}

export const ReceiverUrlSchema = z.string().refine(isReceiverUrl, {
  error: `must be an absolute http or https URL of at most ${MAX_URL_LENGTH} characters, without user name or password`,
});

/** Absent: all of them. */
export const EventsSchema = z
  .array(z.enum(FINISHED))
  .min(1)
  .max(MAX_EVENTS)
  .refine((events) => new Set(events).size === events.length, { error: "names one twice" })
  .readonly();

export const CallbackSchema = z.strictObject({ url: ReceiverUrlSchema, events: EventsSchema.exactOptional() });

export interface Callback {
  readonly url: string;
  readonly events?: readonly FinishedStatus[];
}
