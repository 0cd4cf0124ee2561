/**
 * Long polls of sessions that have free slots and found nothing. A parked poll is why a warm session starts a task
 * without the queue's latency: new work answers it in the turn that wrote it.
 */
import type { Handout } from "../../../core/schema/session-rpc.ts";
import type { Session } from "../memory.ts";
import { tellWaiters } from "../reads/wait.ts";
import type { ParkedPoll, Shard } from "../shard.ts";
import { claim, isNewStop, stopOf } from "./claim.ts";
import { saveSession } from "./session-rows.ts";

export const EMPTY_HANDOUT: Handout = { tasks: [], lost: [], cancel: [], stop: "no" };

/** Keeps a session's question open for `waitMs`; a session has at most one open. */
export function park(shard: Shard, session: Session, poll: Omit<ParkedPoll, "stopTimer">, waitMs: number): void {
  answerParked(shard, session.id, EMPTY_HANDOUT);
  const stopTimer = shard.ports.later(waitMs, () => {
    shard.parked.delete(session.id);
    poll.respond({ v: 1, ok: true, handout: EMPTY_HANDOUT });
  });
  shard.parked.set(session.id, { ...poll, stopTimer });
}

export function answerParked(shard: Shard, session: number, handout: Handout): void {
  const poll = shard.parked.get(session);
  if (!poll) return;
  shard.parked.delete(session);
  poll.stopTimer();
  poll.respond({ v: 1, ok: true, handout });
}

/** Gives waiting work to parked polls, the one that has waited longest first; and tells those that must stop. */
export function serveParked(shard: Shard, now: number): void {
  for (const [id, poll] of shard.parked) {
    const session = shard.memory.sessions.get(id);
    if (!session) {
      shard.parked.delete(id);
      poll.stopTimer();
      poll.respond({ v: 1, ok: false, code: "session-unknown", detail: "the session's lease ended" });
      continue;
    }
    const stop = stopOf(shard, session, now);
    if (isNewStop(stop, poll.heard)) {
      answerParked(shard, id, { ...EMPTY_HANDOUT, stop });
      continue;
    }
    if (stop !== "no" || shard.memory.lanes.queued === 0) continue;
    const { tasks, expired } = shard.transact(() => {
      const claimed = claim(shard, session, poll.turn, poll.want, now);
      if (claimed.tasks.length > 0) saveSession(shard, session);
      return claimed;
    });
    tellWaiters(shard, expired);
    if (tasks.length > 0) answerParked(shard, id, { ...EMPTY_HANDOUT, tasks });
  }
}
