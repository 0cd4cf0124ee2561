/**
 * The Directory's one alarm: the earliest moment at which it has something to do. setAlarm is a row written, so it is
 * called only where the alarm moves earlier or none is set; one that comes early finds nothing due and sets the next.
 */
import { describeThrown } from "../../core/log.ts";
import type { DirectoryState } from "./state.ts";

const REASONS = `SELECT
  (SELECT min(next_at) FROM schedule WHERE next_at IS NOT NULL) AS fire,
  (SELECT min(try_at) FROM pending) AS retry,
  (SELECT min(cancel_at) FROM fire WHERE cancel_at IS NOT NULL) AS cancel,
  (SELECT min(try_at) FROM push) AS push,
  (SELECT min(look_at) FROM scaling) AS look,
  (SELECT min(try_at) FROM job_part WHERE try_at IS NOT NULL) AS job,
  (SELECT min(try_at) FROM gone WHERE stage = 'due') AS gone,
  (SELECT min(try_at) FROM walk) AS walk,
  (SELECT register_at FROM directory) AS register`;

/** An alarm this overdue is taken for lost: the platform forgets one that failed six times. */
const LOST_AFTER_MS = 5_000;

/** The platform sets no alarm that is some 160 years ahead, and one that comes early sets the next. */
const FURTHEST_MS = 365 * 86_400_000;

/** Unix ms; null: nothing to wake for. */
export function nextAlarm(state: DirectoryState): number | null {
  const reasons = state.sql.all<Record<string, number | null>>(REASONS)[0] ?? {};
  const { fire, retry, cancel, push, look, job, gone, walk, register } = reasons;
  let next: number | null = null;
  for (const at of [fire, retry, cancel, push, look, job, gone, walk, state.isRoot ? null : register])
    if (typeof at === "number" && (next === null || at < next)) next = at;
  return next;
}

/** Sets the alarm if what there is to do asks for an earlier one. */
export function arm(state: DirectoryState): void {
  const next = nextAlarm(state);
  if (next === null) return;
  const now = state.ports.now();
  const at = Math.min(Math.max(next, now), now + FURTHEST_MS);
  if (state.alarmAt !== null && state.alarmAt <= at && !isLost(state.alarmAt, now)) return;
  state.alarmAt = at;
  state.host.setAlarm(at);
}

/** Cheap enough for every question: looks closer only where an alarm should have come. */
export function repairAlarm(state: DirectoryState): void {
  if (state.alarmAt !== null && isLost(state.alarmAt, state.ports.now())) arm(state);
}

/** Asks the platform, because memory may be wrong: when the object starts, and each minute. Never throws. */
export async function checkAlarm(state: DirectoryState): Promise<void> {
  try {
    state.alarmAt = await state.host.getAlarm();
    if (state.hasTables()) arm(state);
  } catch (error) {
    state.ports.log("error", "directory-alarm-unchecked", { directory: state.name, detail: describeThrown(error) });
  }
}

function isLost(alarmAt: number, now: number): boolean {
  return alarmAt < now - LOST_AFTER_MS;
}
