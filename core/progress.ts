/** How far a task that runs is, as its handler tells it. It travels as JSON text, so that two are compared at a glance. */
import { cutUtf8, KIB } from "./bytes.ts";

export interface Progress {
  /** 0 to 100. */
  readonly percent: number;
  readonly message?: string;
}

/** Bytes of a message; a longer one is cut. */
export const MAX_MESSAGE_BYTES = KIB;

/** JSON text of a {@link Progress}: `percent` brought to 0..100, `message` cut; null where they are no number and no text. */
export function progressText(percent: unknown, message?: unknown): string | null {
  if (typeof percent !== "number" || Number.isNaN(percent)) return null;
  const within = Math.min(100, Math.max(0, percent));
  if (message === undefined) return `{"percent":${within}}`;
  if (typeof message !== "string") return null;
  return `{"percent":${within},"message":${JSON.stringify(cutUtf8(message.toWellFormed(), MAX_MESSAGE_BYTES))}}`;
}
