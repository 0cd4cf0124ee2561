/**
 * What a request under an Idempotency-Key does is done once: its answer is kept in the transaction that did it, and told
 * again for 24 hours. A refusal takes no key. Keys past their time go by themselves, with the alarm or the tick.
 * Must stay true: a key goes with what it is about (queue, schedule, webhook), or a name that is made again would be
 * answered with what was made for the old one.
 */
import { IDEMPOTENCY_TTL_MS } from "../../core/keys.ts";
import type { Answer, Keyed, Replayed } from "../../core/schema/answer.ts";
import { write } from "./perform.ts";
import { type DirectoryState, refuse } from "./state.ts";

const FIND = "SELECT fingerprint, answer FROM request_key WHERE key = ? AND expires_at > ?";
const KEEP = `INSERT INTO request_key (key, fingerprint, answer, expires_at, owner) VALUES (?1, ?2, ?3, ?4, ?5)
  ON CONFLICT (key) DO UPDATE SET fingerprint = ?2, answer = ?3, expires_at = ?4, owner = ?5`;
const DROP = "DELETE FROM request_key WHERE owner = ?";
const FORGET = `DELETE FROM request_key WHERE key IN
  (SELECT key FROM request_key WHERE expires_at <= ? ORDER BY expires_at LIMIT 1000)`;

/** What a key goes with; null: nothing that can be deleted. */
export type KeyOwner = `queue:${string}` | `schedule:${string}` | `webhook:${string}`;

/** As `write`; under a key that is known nothing is done, and the first answer comes back, `replayed`. */
export function writeOnce<T extends object>(
  state: DirectoryState,
  { idempotency }: Keyed,
  owner: KeyOwner | null,
  work: () => Answer<T>,
): Answer<T & Replayed> {
  return write<T & Replayed>(state, () => {
    if (!idempotency) return work();
    const { key, fingerprint } = idempotency;
    const now = state.ports.now();
    const [known] = state.sql.all<{ fingerprint: string; answer: string }>(FIND, key, now);
    if (known?.fingerprint === fingerprint)
      return { ...(JSON.parse(known.answer) as Extract<Answer<T>, { ok: true }>), replayed: true };
    if (known) return refuse("idempotency-key-reused", "The Idempotency-Key came with another body before.");
    const answer = work();
    if (answer.ok) state.sql.run(KEEP, key, fingerprint, JSON.stringify(answer), now + IDEMPOTENCY_TTL_MS, owner);
    return answer;
  });
}

/** Its owner is deleted: each key is free. Inside a transaction. */
export function dropRequestKeys(state: DirectoryState, owner: KeyOwner): void {
  state.sql.run(DROP, owner);
}

/** A thousand at a time. Inside a transaction. */
export function forgetRequestKeys(state: DirectoryState, now: number): void {
  state.sql.run(FORGET, now);
}
