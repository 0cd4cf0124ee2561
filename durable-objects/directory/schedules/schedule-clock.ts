/**
 * When a schedule fires next, as it is made or changed. Timing that stays equal is not begun anew, so that the same PUT
 * sent at each deployment neither shifts `everySeconds` nor fires a one-time schedule twice; what is changed beside it
 * (start, end, jitter) fires no moment twice and loses none.
 */
import { anchorOf, beginFires, type FireRule, nextFire, shiftFires } from "../../../core/schedule.ts";
import type { Refusal } from "../../../core/schema/answer.ts";
import type { ScheduleDefinition } from "../../../core/schema/schedule-rpc.ts";
import { refuse } from "../state.ts";
import { invalid } from "./check-definition.ts";
import { jitterOf, ruleOf, type ScheduleClock, type ScheduleRow } from "./schedule-row.ts";

/** The clock of new timing; refused where it would never fire. */
export function beginClock(
  { id, decided }: Pick<ScheduleRow, "id" | "decided">,
  told: ScheduleDefinition,
  paused: boolean,
  now: number,
): ScheduleClock | Refusal {
  const anchor = anchorOf(told.timing, told.startAt, now);
  const begun = beginFires({ ...ruleTold(id, told, anchor), decided }, now);
  if (begun.nextAt === null) return neverFires(told);
  return { ...begun, anchor, paused, nextAt: paused ? null : begun.nextAt };
}

/** The clock of a schedule that is there; refused where it would never fire, or not any more. */
export function changedClock(
  found: ScheduleRow,
  told: ScheduleDefinition,
  paused: boolean,
  now: number,
): ScheduleClock | Refusal {
  if (!goesOn(found, told)) return beginClock(found, told, paused, now);
  const { anchor, decided, next_at: nextAt } = found;
  const isMoved =
    found.start_at !== told.startAt || found.end_at !== told.endAt || found.jitter_s !== (told.jitterSeconds ?? null);
  if (!isMoved) return goOn(found, paused, now);
  const rule = { ...ruleTold(found.id, told, anchor), decided };
  const clock =
    nextAt === null ? { decided, nextAt: nextFire(rule, now) } : shiftFires(ruleOf(found), rule, nextAt, now);
  const isEnded = clock.nextAt === null && (nextAt !== null || found.end_at !== told.endAt);
  if (isEnded) return neverFires(told);
  if (clock.nextAt === null && !paused && found.paused === 1) return finishedSchedule(found);
  return { ...clock, anchor, paused, nextAt: paused ? null : clock.nextAt };
}

export function finishedSchedule({ id }: Pick<ScheduleRow, "id">): Refusal {
  return refuse("schedule-finished", `The schedule ${id} has no fire ahead; give it another time.`);
}

/** As it is, stopped, or from now on. */
function goOn(found: ScheduleRow, paused: boolean, now: number): ScheduleClock | Refusal {
  const { anchor, decided } = found;
  if (paused === (found.paused === 1)) return { anchor, decided, paused, nextAt: found.next_at };
  const next = paused ? null : nextFire(ruleOf(found), now);
  if (next === null && !(paused && found.next_at !== null)) return finishedSchedule(found);
  return { anchor, decided, paused, nextAt: next };
}

/** Whether it is not begun anew: `everySeconds` counts from its start. */
function goesOn(found: ScheduleRow, { timing, startAt }: ScheduleDefinition): boolean {
  return found.timing === JSON.stringify(timing) && (timing.kind !== "every" || found.start_at === startAt);
}

function neverFires({ timing, endAt }: ScheduleDefinition): Refusal {
  const fields = { cron: "cron", every: "everySeconds", at: "at" } as const;
  const field = endAt === null ? fields[timing.kind] : "endAt";
  return invalid(`/${field}`, `${field} must leave a fire ahead`);
}

function ruleTold(id: string, { timing, startAt, endAt, jitterSeconds }: ScheduleDefinition, anchor: number): FireRule {
  return { timing, startAt, endAt, anchor, ...jitterOf(id, jitterSeconds) };
}
