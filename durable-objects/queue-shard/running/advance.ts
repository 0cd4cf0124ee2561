/**
 * A session's turn: settles what it finished and hands it what comes next, in one RPC and one transaction.
 * Must stay true: the same turn again gets its stored answer and applies nothing twice (a lost answer is an ordinary
 * event: the row commits, the caller gets an error); a newer turn answers a parked poll, so an outcome never waits.
 */
import type { Seq } from "../../../core/ids.ts";
import type { AdvanceAnswer, AdvanceRequest, ClaimedTask, Handout } from "../../../core/schema/session-rpc.ts";
import type { TaskRecord } from "../../../core/task.ts";
import { afterOperation } from "../after.ts";
import type { Session } from "../memory.ts";
import { tellWaiters } from "../reads/wait.ts";
import { refuse, type Shard } from "../shard.ts";
import { commitWaiting } from "../submit/submit.ts";
import { heldRows } from "../task-rows.ts";
import { claim, isNewStop, newCancels, noteBegun, stopOf, toClaimedTask } from "./claim.ts";
import { answerParked, EMPTY_HANDOUT, park } from "./park.ts";
import { endHungOf } from "./rescue.ts";
import { saveSession } from "./session-rows.ts";
import { giveBackLost, type Settled, settle } from "./settle.ts";

/** `respond` is called once: now, or where there is nothing to hand out, within `waitMs`. */
export function advance(shard: Shard, request: AdvanceRequest, respond: (answer: AdvanceAnswer) => void): void {
  commitWaiting(shard);
  const now = shard.ports.now();
  const session = shard.memory.sessions.get(request.session);
  if (!session || request.turn < session.turn) {
    respond(
      session
        ? refuse("stale-turn", `turn ${session.turn} was taken`)
        : refuse("session-unknown", "no such session, or its lease ended"),
    );
    return;
  }
  const { turn, want, heard = "no", cancelling } = request;
  const poll = { turn, want, heard, cancelling, respond };
  if (request.turn === session.turn) {
    // Asked again, so alive: its first answer was lost.
    if (renewLease(shard, session, now)) shard.transact(() => saveSession(shard, session));
    const handout = storedHandout(shard, session, cancelling, now);
    if (isEmpty(handout, poll.heard)) park(shard, session, poll, request.waitMs);
    else respond({ v: 1, ok: true, handout });
    // Work that came since the turn was taken answers the poll at once.
    afterOperation(shard, now);
    return;
  }

  const { settled, tasks } = shard.transact(() => takeTurn(shard, session, request, now));
  answerParked(shard, session.id, EMPTY_HANDOUT);
  tellWaiters(shard, settled.ended);
  const handout = {
    tasks,
    lost: settled.lost,
    cancel: newCancels(session, cancelling),
    stop: stopOf(shard, session, now),
  };
  if (isEmpty(handout, poll.heard) && request.waitMs > 0) park(shard, session, poll, request.waitMs);
  else respond({ v: 1, ok: true, handout });
  afterOperation(shard, now);
}

function isEmpty(handout: Handout, heard: Handout["stop"]): boolean {
  const isNews = handout.tasks.length > 0 || handout.lost.length > 0 || handout.cancel.length > 0;
  return !isNews && !isNewStop(handout.stop, heard);
}

function takeTurn(
  shard: Shard,
  session: Session,
  request: AdvanceRequest,
  now: number,
): { settled: Settled; tasks: readonly ClaimedTask[] } {
  session.turn = request.turn;
  // A turn that changed nothing need not be kept: taken again, it changes nothing again.
  const isStale = renewLease(shard, session, now);
  const settled = settle(shard, session, request.outcomes, now);
  const before = session.claims.size;
  settled.ended.push(...returnUnheld(shard, session, request, now));
  const held = session.claims.size;
  const hasReturned = held < before;
  const hung = session.isOverdue ? endHungOf(shard, session, now) : [];
  const hasHung = session.claims.size < held;
  const hasNews = noteProgress(shard, session, request, now);
  session.window = session.claims.size + request.want;
  const { tasks, expired } = claim(shard, session, request.turn, request.want, now);
  session.lost = settled.lost;
  const hasChanged = request.outcomes.length + tasks.length > 0 || hasReturned || hasHung || hasNews;
  if (hasChanged || isStale) saveSession(shard, session);
  return { settled: { ...settled, ended: [...settled.ended, ...hung, ...expired] }, tasks };
}

/** It is heard of, and believed for as long again. @returns whether the row's lease is so far behind that it is to be written */
function renewLease(shard: Shard, session: Session, now: number): boolean {
  const leaseMs = shard.memory.settings?.leaseMs ?? 0;
  session.lastTurnAt = now;
  session.leaseUntil = now + leaseMs;
  return session.leaseUntil - session.storedLease > leaseMs / 4;
}

/** Claims of answered turns that the session does not know of: their answer was lost. @returns tasks that are finished by it */
function returnUnheld(shard: Shard, session: Session, request: AdvanceRequest, now: number): TaskRecord[] {
  const holding = new Set(request.holding);
  const lost: Seq[] = [];
  for (const claim of session.claims.values())
    if (claim.turn <= request.answered && !holding.has(claim.seq)) lost.push(claim.seq);
  // It never arrived, so it never began, whatever the free slot promised.
  return heldRows(shard.sql, session.id, lost).flatMap((row) =>
    giveBackLost(shard, session, row, "the answer that handed it out was lost", now),
  );
}

/** Tasks that began since the last turn, and how far the running ones are, which is written only where the row is anyway. */
function noteProgress(shard: Shard, session: Session, request: AdvanceRequest, now: number): boolean {
  let hasNews = false;
  for (const seq of request.started) {
    const claim = session.claims.get(seq);
    if (claim?.startedAt !== null) continue;
    claim.startedAt = now;
    noteBegun(shard.memory, session, claim);
    hasNews = true;
  }
  for (const [seq, progress] of request.progress) {
    const claim = session.claims.get(seq);
    if (claim) claim.progress = progress;
  }
  return hasNews;
}

/** What the session's latest turn was answered, from its row's claims. */
export function storedHandout(
  shard: Shard,
  session: Session,
  heard: AdvanceRequest["cancelling"],
  now: number,
): Handout {
  const seqs: Seq[] = [];
  for (const claim of session.claims.values()) if (claim.turn === session.turn) seqs.push(claim.seq);
  const tasks: ClaimedTask[] = [];
  for (const row of heldRows(shard.sql, session.id, seqs)) {
    const held = session.claims.get(row.seq);
    if (held) tasks.push(toClaimedTask(row, held));
  }
  return { tasks, lost: session.lost, cancel: newCancels(session, heard), stop: stopOf(shard, session, now) };
}
