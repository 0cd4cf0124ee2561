/** When a run must wake: the one place that knows all its reasons. */
import type { RunNode } from "./node-rows.ts";
import { WORK } from "./reach.ts";
import { listAt } from "./rounds/list-run.ts";
import { isFireOwed, type Run, type RunMemory } from "./run.ts";
import { stopsAt } from "./stop.ts";
import { seqOf } from "./task-place.ts";

const LOOK_FIRST_MS = 60_000;
const LOOK_LAST_MS = 3_600_000;
const LATE_MS = 10_000;

/** Sets the alarm where it is not set for as early: `at` (Unix ms), now where something was written down. */
export function arm(run: Run, at: number): void {
  run.hasNews = true;
  // The round after this one sees it; and if the object dies before, the platform rings again.
  if (run.isWorking) return;
  setAlarm(run, at);
}

/** Sets the alarm for what there is to do later; after work, when nothing is to be done now. */
export function armNext(run: Run): void {
  const now = run.ports.now();
  const next = nextAlarm(run, now);
  if (next !== null) setAlarm(run, next);
}

function setAlarm(run: Run, at: number): void {
  const { alarmAt } = run;
  // One that should have rung long ago was never set, or is lost.
  const isAhead = alarmAt !== null && alarmAt > run.ports.now() - LATE_MS;
  if (isAhead && alarmAt <= at) return;
  run.alarmAt = at;
  run.host.setAlarm(at);
}

function nextAlarm(run: Run, now: number): number | null {
  const { memory } = run;
  if (!memory) return null;
  const reasons: number[] = [];
  const held = run.held.next();
  if (held !== null) reasons.push(held);
  const toList = listAt(run, memory, now);
  if (toList !== null) reasons.push(toList);
  if (memory.head.endedAt !== null) {
    // Until its row is written no alarm replaces the one that rings: an object that dies meanwhile is woken again.
    if (!run.listing && !isFireOwed(memory)) reasons.push(memory.head.endedAt + memory.head.keepMs);
  } else {
    for (const { state, timeoutAt } of memory.nodes)
      if (state === "ready" && timeoutAt !== null) reasons.push(timeoutAt);
    const stopAt = stopsAt(memory);
    if (stopAt !== null) reasons.push(stopAt);
    if (outstanding(memory).length > 0) reasons.push(nextLook(memory, now));
  }
  // Where the work itself failed, what is overdue is not done by asking at once again.
  const soonest = Math.max(now, run.held.until(WORK) ?? now);
  return reasons.length === 0 ? null : Math.max(soonest, Math.min(...reasons));
}

/** Nodes whose tasks have not ended, as far as is known here. */
export function outstanding({ nodes }: RunMemory): RunNode[] {
  return nodes.filter((node) => node.endedAt === null && seqOf(node) !== null);
}

/** When to ask the shards themselves (Unix ms): 1, 2, 4 … 60 minutes after the latest news, then each hour. */
export function nextLook(memory: RunMemory, now: number): number {
  return looksAround(memory, now).next;
}

/** Whether they should have been asked by now, and were not. */
export function isLookDue(run: Run, memory: RunMemory, now: number): boolean {
  const { last } = looksAround(memory, now);
  return last !== null && last > run.lookedAt;
}

/** The last moment for it up to now, and the next one. */
function looksAround({ head, nodes }: RunMemory, now: number): { readonly last: number | null; readonly next: number } {
  const news = nodes.reduce((latest, { endedAt }) => Math.max(latest, endedAt ?? 0), head.newsAt);
  let last: number | null = null;
  let after = LOOK_FIRST_MS;
  let next = news + after;
  while (next <= now) {
    last = next;
    after = Math.min(2 * after, LOOK_LAST_MS);
    next += after;
  }
  return { last, next };
}
