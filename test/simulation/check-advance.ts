/** What a turn of a session leaves behind in the shard, and what the answer to it must tell. */
import { deadlineOf } from "../../core/lease.ts";
import type { AdvanceAnswer, AdvanceRequest } from "../../core/schema/session-rpc.ts";
import type { Session } from "../../durable-objects/queue-shard/memory.ts";
import type { Shard } from "../../durable-objects/queue-shard/shard.ts";
import { must } from "./violation.ts";

/**
 * Once the turn is taken, or taken again: the worker is believed anew, and shard and worker hold the same tasks.
 * @param isNew whether it is known to be the first time
 */
export function checkTaken(shard: Shard, request: AdvanceRequest, isNew: boolean): void {
  const session = sessionOf(shard, request);
  if (!session) return;
  const { id } = session;
  const now = shard.ports.now();
  must(
    session.leaseUntil >= now + (shard.memory.settings?.leaseMs ?? 0),
    () => `turn ${request.turn} of session ${id} did not renew its lease`,
  );
  const holding = new Set(request.holding);
  const progress = new Map(request.progress);
  for (const claim of session.claims.values()) {
    const isKnown = claim.turn > request.answered || holding.has(claim.seq);
    must(isKnown, () => `task ${claim.seq} is held by session ${id}, which does not know of it`);
    const isHung = isNew && (deadlineOf(claim) ?? now + 1) <= now;
    must(!isHung, () => `task ${claim.seq} is past its deadline, and session ${id} has just spoken`);
    const told = claim.turn === request.turn ? undefined : progress.get(claim.seq);
    const isSeen = !isNew || told === undefined || claim.progress === told;
    must(isSeen, () => `turn ${request.turn} told progress of task ${claim.seq}, and the shard has another`);
  }
}

/** Whatever the turn was handed is in its answer, the first time and each time that it is asked again. */
export function checkHandout(shard: Shard, request: AdvanceRequest, answer: AdvanceAnswer): void {
  const session = sessionOf(shard, request);
  if (!session || !answer.ok) return;
  const told = new Set(answer.handout.tasks.map(({ seq }) => seq));
  for (const { seq, turn } of session.claims.values())
    must(turn !== request.turn || told.has(seq), () => `turn ${turn} of ${session.id} was not told of task ${seq}`);
}

/** The session, where that turn is its latest. */
function sessionOf(shard: Shard, { session, turn }: AdvanceRequest): Session | null {
  const found = shard.memory.sessions.get(session);
  return found?.turn === turn ? found : null;
}
