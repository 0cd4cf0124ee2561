/** Makes and changes schedules: POST, PUT, PATCH. */
import type { Answer, Keyed, Refusal, Replayed } from "../../../core/schema/answer.ts";
import type { ScheduleDefinition, ScheduleRecord } from "../../../core/schema/schedule-rpc.ts";
import { iso } from "../../../core/task.ts";
import { endWaitingFires } from "../fires/give-up-fires.ts";
import { decideAnew } from "../fires/pending-fire.ts";
import { write } from "../perform.ts";
import { type DirectoryState, done, refuse } from "../state.ts";
import { writeOnce } from "../write-once.ts";
import { definitionFault } from "./check-definition.ts";
import { beginClock, changedClock, finishedSchedule } from "./schedule-clock.ts";
import {
  definitionOf,
  findSchedule,
  insertSchedule,
  payloadOf,
  readSchedule,
  type ScheduleRow,
  updateSchedule,
} from "./schedule-row.ts";

export async function createSchedule(
  state: DirectoryState,
  request: Keyed & { readonly id: string | null; readonly definition: ScheduleDefinition; readonly paused: boolean },
): Promise<Answer<{ readonly schedule: ScheduleRecord } & Replayed>> {
  const id = request.id ?? state.ports.uuid();
  return writeOnce(state, request, `schedule:${id}`, () => {
    if (findSchedule(state, id))
      return refuse("schedule-exists", `There is a schedule ${id} already; PUT replaces it.`);
    return make(state, id, request.definition, request.paused);
  });
}

export async function putSchedule(
  state: DirectoryState,
  request: { readonly id: string; readonly definition: ScheduleDefinition; readonly paused: boolean | null },
): Promise<Answer<{ readonly schedule: ScheduleRecord; readonly created: boolean }>> {
  const { id, definition, paused } = request;
  return write(state, () => {
    const found = findSchedule(state, id);
    const saved = found ? change(state, found, definition, paused) : make(state, id, definition, paused ?? false);
    return saved.ok ? done({ schedule: saved.schedule, created: found === null }) : saved;
  });
}

/** Refused: `rev-mismatch` where it was changed since it was as `asOf` says, because the patch was made of that. */
export async function patchSchedule(
  state: DirectoryState,
  request: {
    readonly id: string;
    readonly patch: Partial<ScheduleDefinition>;
    readonly paused: boolean | null;
    readonly asOf?: number;
  },
): Promise<Answer<{ readonly schedule: ScheduleRecord }>> {
  const { asOf } = request;
  return write(state, () => {
    const found = findSchedule(state, request.id);
    if (!found) return unknownSchedule(request.id);
    if (asOf !== undefined && asOf !== found.updated_at)
      return refuse("rev-mismatch", `The schedule ${found.id} was changed at ${iso(found.updated_at)}.`);
    const definition = { ...definitionOf(found, payloadOf(state, found.id)), ...request.patch };
    return change(state, found, definition, request.paused);
  });
}

/** Refused: `schedule-finished` where no fire is ahead. Resuming makes up for nothing. */
export async function pauseSchedule(
  state: DirectoryState,
  request: { readonly id: string; readonly paused: boolean },
): Promise<Answer<{ readonly schedule: ScheduleRecord }>> {
  return write(state, () => {
    const found = findSchedule(state, request.id);
    if (!found) return unknownSchedule(request.id);
    // Not paused, so nothing would change; but a caller who resumes it is told that it will not go on.
    if (!request.paused && found.paused === 0 && found.next_at === null) return finishedSchedule(found);
    return change(state, found, null, request.paused);
  });
}

export function unknownSchedule(id: string): Refusal {
  return refuse("schedule-unknown", `There is no schedule ${id}.`);
}

type Saved = Answer<{ readonly schedule: ScheduleRecord }>;

function make(state: DirectoryState, id: string, definition: ScheduleDefinition, paused: boolean): Saved {
  const fault = definitionFault(state, definition);
  if (fault) return fault;
  const clock = beginClock({ id, decided: 0 }, definition, paused, state.ports.now());
  if (!("anchor" in clock)) return clock;
  insertSchedule(state, id, definition, clock);
  return saved(state, id);
}

/** `told` null: the definition stays. One that went bad meanwhile can be paused still, but not resumed. */
function change(
  state: DirectoryState,
  found: ScheduleRow,
  told: ScheduleDefinition | null,
  pausedNow: boolean | null,
): Saved {
  const to = told ?? definitionOf(found, payloadOf(state, found.id));
  const fault = told || pausedNow === false ? definitionFault(state, to) : null;
  if (fault) return fault;
  const paused = pausedNow ?? found.paused === 1;
  const clock = changedClock(found, to, paused, state.ports.now());
  if (!("anchor" in clock)) return clock;
  if (paused && found.paused === 0) endWaitingFires(state, found.id);
  updateSchedule(state, found.id, to, clock);
  if ((found.overlap ?? "allow") !== (to.overlap ?? "allow")) decideAnew(state, found.id);
  return saved(state, found.id);
}

function saved(state: DirectoryState, id: string): Saved {
  const schedule = readSchedule(state, id);
  return schedule ? done({ schedule }) : refuse("internal", `schedule ${id} was saved and is not there`);
}
