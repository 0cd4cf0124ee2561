/** Tasks that run are asked to stop: the claims say since when, and the session hears of it by its poll or its next turn. */
import type { Seq } from "../../../core/ids.ts";
import { deadlineOf } from "../../../core/lease.ts";
import type { Session } from "../memory.ts";
import { newCancels } from "../running/claim.ts";
import { answerParked, EMPTY_HANDOUT } from "../running/park.ts";
import { saveSession } from "../running/session-rows.ts";
import type { Shard } from "../shard.ts";

/** Of those, what the session holds and was not asked for before. Inside a transaction. @returns whether there was any */
export function askToStop(shard: Shard, session: Session, seqs: Iterable<Seq>, now: number): boolean {
  const { memory } = shard;
  let isNews = false;
  for (const seq of seqs) {
    const claim = session.claims.get(seq);
    if (!claim || claim.cancelAt !== null) continue;
    isNews = true;
    claim.cancelAt = now;
    session.cancels++;
    const deadline = deadlineOf(claim) ?? now;
    memory.deadlineHint = Math.min(memory.deadlineHint ?? deadline, deadline);
  }
  if (isNews) saveSession(shard, session);
  return isNews;
}

/** After that transaction: a parked poll is answered with what is news to its session. */
export function tellToStop(shard: Shard, session: Session): void {
  const news = newCancels(session, shard.parked.get(session.id)?.cancelling);
  if (news.length > 0) answerParked(shard, session.id, { ...EMPTY_HANDOUT, cancel: news });
}
