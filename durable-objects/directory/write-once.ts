/**
 * What a request under an Idempotency-Key does is done once: its answer is kept in the transaction that did it, and told
 * again for 24 hours. A refusal takes no key. Keys past their time go by themselves, with the alarm or the tick.
 */
import { IDEMPOTENCY_TTL_MS } from "../../core/keys.ts";
import type { Answer, Keyed, Replayed } from "../../core/schema/answer.ts";
import { write } from "./perform.ts";
import { type DirectoryState, refuse } from "./state.ts";

const FIND = "SELECT fingerprint, answer FROM request_key WHERE key = ? AND expires_at > ?";
const KEEP = `INSERT INTO request_key (key, fingerprint, answer, expires_at) VALUES (?1, ?2, ?3, ?4)
  ON CONFLICT (key) DO UPDATE SET fingerprint = ?2, answer = ?3, expires_at = ?4`;
const FORGET = `DELETE FROM request_key WHERE key IN
  (SELECT key FROM request_key WHERE expires_at <= ? ORDER BY expires_at LIMIT 1000)`;

/** As `write`; under a key that is known nothing is done, and the first answer comes back, `replayed`. */
export function writeOnce<T extends object>(
  state: DirectoryState,
  { idempotency }: Keyed,
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
    if (answer.ok) state.sql.run(KEEP, key, fingerprint, JSON.stringify(answer), now + IDEMPOTENCY_TTL_MS);
    return answer;
  });
}

/** A thousand at a time. Inside a transaction. */
export function forgetRequestKeys(state: DirectoryState, now: number): void {
  state.sql.run(FORGET, now);
}
