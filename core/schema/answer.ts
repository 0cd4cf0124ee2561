/**
 * How objects answer: values, `{ok: true, …}` or `{ok: false, code, …}`, because an exception loses its type on the way.
 * A deploy mixes versions for five minutes: fields are only ever added, readers ignore what they do not know, and `v`
 * says which protocol was spoken.
 */
import type { ErrorCode, FieldError } from "../errors.ts";
import type { TaskId } from "../ids.ts";

export interface Versioned {
  readonly v: 1;
}

export interface Refusal extends Versioned {
  readonly ok: false;
  readonly code: ErrorCode | "settings-needed" | "settings-stale" | "session-unknown" | "stale-turn";
  readonly detail: string;
  readonly retryAfterMs?: number;
  /** JSON Pointer to the field that is wrong, with `invalid-request` and `setting-fixed`. */
  readonly pointer?: string;
  /** Each field that is wrong, where there may be several. */
  readonly errors?: readonly FieldError[];
  /** The task that is in the way, with `duplicate-task`. */
  readonly taskId?: TaskId;
}
export type Answer<T> = (Versioned & { readonly ok: true } & T) | Refusal;

/** `sessions`: consumers' sessions that have not ended yet; asked again, the drain goes on. */
export type DrainAnswer = Answer<{ readonly sessions: number }>;

/** The same key and fingerprint again are answered what the first were; another fingerprint is refused. */
export interface Idempotency {
  /** Hash of the caller's Idempotency-Key, with the path before it where paths share a place. */
  readonly key: string;
  /** Of the body that came with it. */
  readonly fingerprint: string;
}

/** A request to the Directory that may come under an Idempotency-Key. */
export interface Keyed {
  readonly idempotency?: Idempotency | null;
}
export interface Replayed {
  /** This is the answer that the Idempotency-Key got the first time. */
  readonly replayed?: true;
}
