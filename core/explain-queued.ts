/** What holds a QUEUED task back: limits, workers, and whatever goes before it. Pure. */
import { countOf } from "./count-of.ts";
import type { WaitingFacts } from "./explain-facts.ts";
import type { Bounded, Reason } from "./explain-reasons.ts";
import type { Standing } from "./limits.ts";
import { iso } from "./task.ts";
import { isFull, tellFull, tellNoFreeSlot, tellSolo, tellSpent, tokenTime, type Whose } from "./tell-reasons.ts";

const NOBODY = { count: 0, more: false, ofType: 0, ofKey: 0, sure: { all: 0, ofType: 0, ofKey: 0 } };

export function queueReasons(facts: WaitingFacts): Bounded[] {
  const { concurrency, standings, task } = facts;
  const { count, more, ofType, ofKey, sure } = facts.ahead ?? NOBODY;
  const { type, limitKey } = task;
  const found: Bounded[] = [];
  const { running, limit, share } = concurrency;
  if (isFull(running, limit, count))
    found.push({ reason: tellFull({ of: "queue" }, { running, limit, share }, count, more), until: "unknown" });
  found.push(...limitReasons({ of: "queue" }, standings.queue, { first: count, sure: sure.all, more }));
  found.push(...limitReasons({ of: "type", type }, standings.type, { first: ofType, sure: sure.ofType, more }));
  if (limitKey !== null)
    found.push(...limitReasons({ of: "key", limitKey }, standings.key, { first: ofKey, sure: sure.ofKey, more }));
  if (task.mode === "solo") found.push(solo(facts, count));
  // Where no worker knows it, how many are here does not matter.
  if (facts.knownVersion >= task.version) found.push(...workerReasons(facts, count, found.length > 0));
  return [...found, ...aheadReasons(facts)];
}

interface First {
  /** How many go first as things stand, and how many of these whatever happens. */
  readonly first: number;
  readonly sure: number;
  readonly more: boolean;
}

function limitReasons(whose: Whose, standing: Standing | null, { first, sure, more }: First): Bounded[] {
  if (standing === null) return [];
  const { running, concurrency, tokens } = standing;
  const found: Bounded[] = [];
  if (isFull(running, concurrency, first))
    found.push({
      reason: tellFull(whose, { running, limit: concurrency, share: standing.share?.concurrency }, first, more),
      until: "unknown",
    });
  const at = tokenTime(standing, first);
  // Of those that may yet be held back it is not known when they leave a token.
  const until = sure >= tokens ? standing.tokenAt(sure) : "unknown";
  if (at !== null) found.push({ reason: tellSpent(whose, standing, first, at), until });
  return found;
}

function solo({ isSoloBusy: isBusy, task }: WaitingFacts, ahead: number): Bounded {
  const reason = tellSolo(isBusy, task.crashes);
  return { reason, until: isBusy || ahead > 0 ? "unknown" : "no" };
}

function workerReasons({ workers, now }: WaitingFacts, ahead: number, isHeld: boolean): Bounded[] {
  const { sessions, maxSessions, slots, free, tickets, calledAt, unheeded } = workers;
  const room = roomOf(workers);
  if (room === 0) return [{ reason: tellNoFreeSlot(sessions, maxSessions, slots), until: "unknown" }];
  if (isHeld || ahead >= room || ahead < free || tickets === 0) return [];
  const since = iso(calledAt ?? now);
  const calls = countOf(unheeded, "call before that was", "calls before that were");
  const before = unheeded === 0 ? "" : `; ${calls} not followed`;
  const detail = `A worker was called at ${since}${before}.`;
  const reason: Reason = { code: "awaits-worker", detail, tickets, calledAt: since, unheeded };
  return [{ reason, until: unheeded === 0 ? "no" : "unknown" }];
}

/** How many could be taken at once: into free slots, and by workers that may yet come. */
function roomOf({ sessions, maxSessions, slots, free }: WaitingFacts["workers"]): number {
  return free + Math.max(0, maxSessions - sessions) * slots;
}

const AMONG = { queue: "", type: " of its type", limitKey: " of its limitKey", solo: " that must run alone" } as const;

function aheadReasons({ workers, ahead }: WaitingFacts): Bounded[] {
  if (ahead === null || ahead.count === 0) return [];
  const { count, more, moreUrgent, raised, older, byTurn, among } = ahead;
  const kinds = [
    [moreUrgent, "more urgent"],
    [raised, "raised by age"],
    [older, "older"],
    [byTurn, "by the turn of their fairnessKey"],
  ] as const;
  const told = kinds.flatMap(([number, kind]) => (number === 0 ? [] : [`${number} ${kind}`])).join(", ");
  const tasks = countOf(count, `task${AMONG[among]} goes`, `tasks${AMONG[among]} go`);
  const detail = `${more ? "More than " : ""}${tasks} before it: ${told}.`;
  const reason: Reason = { code: "ahead", detail, count, more, moreUrgent, raised, older, byTurn, among };
  return [{ reason, until: count >= roomOf(workers) ? "unknown" : "no" }];
}
