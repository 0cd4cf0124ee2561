/** A session's row: written once per new turn, so that a shard that lost its memory knows what is in whose hands. */
import { type Session, storeClaims } from "./memory.ts";
import type { Shard } from "./shard.ts";

const SAVE = `INSERT OR REPLACE INTO session
  (id, worker, solo, slots, opened_at, lease_until, turn, handed, claims, lost) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const FORGET = "DELETE FROM session WHERE id = ?";

/** Inside a transaction. */
export function saveSession(shard: Shard, session: Session): void {
  session.storedLease = session.leaseUntil;
  shard.sql.run(
    SAVE,
    session.id,
    JSON.stringify(session.worker),
    session.solo ? 1 : 0,
    session.slots,
    session.openedAt,
    session.leaseUntil,
    session.turn,
    session.handed,
    storeClaims(session.claims.values()),
    JSON.stringify(session.lost),
  );
}

/** Inside a transaction; its claims have been dealt with. */
export function forgetSession(shard: Shard, session: Session, now: number): void {
  const { memory } = shard;
  memory.sessions.delete(session.id);
  memory.running -= session.claims.size;
  if (memory.limits) for (const claim of session.claims.values()) memory.limits.ended(claim, now);
  if (memory.running === 0) memory.deadlineHint = null;
  shard.sql.run(FORGET, session.id);
}
