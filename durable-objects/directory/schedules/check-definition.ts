/**
 * What a schedule must be to be kept. The door has checked its payload; the rest is checked here again, because a rule
 * that can't be read would stop every other schedule's alarm.
 */
import { cronProblem } from "../../../core/cron.ts";
import { noSuchQueue } from "../../../core/errors.ts";
import type { Refusal } from "../../../core/schema/answer.ts";
import type { ScheduleDefinition } from "../../../core/schema/schedule-rpc.ts";
import { isTimeZone } from "../../../core/zone-clocks.ts";
import { comesByItself, findQueue } from "../queues/queue-entry.ts";
import { type DirectoryState, refuse } from "../state.ts";

/** How far ahead a schedule may begin and end: the platform sets no alarm beyond 2189. */
const MAX_YEARS = 100;
const YEAR_MS = 365.25 * 86_400_000;

/** null: it is well. Whether it has a fire ahead is `beginClock`'s affair. */
export function definitionFault(state: DirectoryState, definition: ScheduleDefinition): Refusal | null {
  const { timing, startAt, endAt, queue } = definition;
  if (timing.kind === "cron") {
    const problem = cronProblem(timing.cron);
    if (problem !== null) return invalid("/cron", `cron: ${problem}`);
    if (!isTimeZone(timing.timezone)) return invalid("/timezone", `timezone: ${timing.timezone} is no IANA time zone`);
  }
  if (timing.kind === "every" && !(Number.isInteger(timing.everySeconds) && timing.everySeconds >= 1))
    return invalid("/everySeconds", "everySeconds must be a whole number from 1");
  if (timing.kind === "at" && startAt !== null) return invalid("/startAt", "startAt cannot stand beside at");
  if (timing.kind === "at" && endAt !== null) return invalid("/endAt", "endAt cannot stand beside at");
  if (startAt !== null && endAt !== null && endAt <= startAt) return invalid("/endAt", "endAt must be after startAt");
  const far = tooFar({ "/at": timing.kind === "at" ? timing.at : null, "/startAt": startAt, "/endAt": endAt }, state);
  if (far) return far;
  if (queue !== null && !findQueue(state, queue) && !comesByItself(state, queue))
    return refuse("queue-unknown", noSuchQueue(queue), { pointer: "/queue" });
  return null;
}

function tooFar(times: Readonly<Record<string, number | null>>, { ports }: DirectoryState): Refusal | null {
  const latest = ports.now() + MAX_YEARS * YEAR_MS;
  for (const [pointer, time] of Object.entries(times))
    if (time !== null && time > latest)
      return invalid(pointer, `${pointer.slice(1)} must be no more than ${MAX_YEARS} years from now`);
  return null;
}

export function invalid(pointer: string, detail: string): Refusal {
  return refuse("invalid-request", detail, { pointer });
}
