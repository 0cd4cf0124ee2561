/** Schedules as they are: one, a page of them, or their next fires. */
import { MAX_ANSWER_BYTES, utf8Bytes } from "../../../core/bytes.ts";
import { previewFires } from "../../../core/schedule.ts";
import type { Answer } from "../../../core/schema/answer.ts";
import type { FireRecord, ScheduleFilter, ScheduleRecord } from "../../../core/schema/schedule-rpc.ts";
import { callWithin } from "../../stubs.ts";
import { lookAfter, untoldByRead } from "../fires/look-after-fires.ts";
import { read } from "../perform.ts";
import { type DirectoryState, done } from "../state.ts";
import { unknownSchedule } from "./save-schedule.ts";
import { findSchedule, readSchedule, ruleOf, scheduleIds } from "./schedule-row.ts";

// What is no task yet stands in `pending`; an end that was told first stands in both for a moment.
const FIRES = `SELECT fire_at AS fireAt, coalesce(status, 'FIRED') AS status, fired_at AS firedAt,
    nullif(made, '') AS made, ended_at AS endedAt, code, count, reason
    FROM fire WHERE schedule = ?1 AND fire_at < ?2
  UNION ALL SELECT fire_at, 'PENDING', NULL, NULL, NULL, NULL, 1,
    coalesce(last_refusal, iif(tries > 0, 'it was sent, and no answer has come yet', NULL))
    FROM pending WHERE schedule = ?1 AND fire_at < ?2
  ORDER BY 1 DESC LIMIT ?3`;

const MAX_PAGE = 100;
const LOOK_WITHIN_MS = 1_000;
const MAX_PREVIEW = 100;

export async function getSchedule(
  state: DirectoryState,
  request: { readonly id: string },
): Promise<Answer<{ readonly schedule: ScheduleRecord }>> {
  return read(state, unknownSchedule(request.id), () => {
    const schedule = readSchedule(state, request.id);
    return schedule ? done({ schedule }) : unknownSchedule(request.id);
  });
}

/** A page ends at its limit or at 8 MiB of payloads, and has at least one. */
export async function listSchedules(
  state: DirectoryState,
  request: ScheduleFilter & { readonly after: string | null; readonly limit: number },
): Promise<Answer<{ readonly schedules: readonly ScheduleRecord[]; readonly next: string | null }>> {
  return read(state, done({ schedules: [], next: null }), () => {
    const limit = Math.min(MAX_PAGE, Math.max(1, request.limit));
    const ids = scheduleIds(state, request.after ?? "", limit + 1, request);
    const schedules: ScheduleRecord[] = [];
    let bytes = 0;
    for (const id of ids.slice(0, limit)) {
      if (bytes >= MAX_ANSWER_BYTES) break;
      const schedule = readSchedule(state, id);
      if (!schedule) continue;
      schedules.push(schedule);
      bytes += utf8Bytes(schedule.payload);
    }
    const last = schedules.at(-1);
    return done({ schedules, next: last && schedules.length < ids.length ? last.id : null });
  });
}

/** As if it were not paused; none where it has finished. */
export async function previewSchedule(
  state: DirectoryState,
  request: { readonly id: string; readonly count: number },
): Promise<Answer<{ readonly fires: readonly number[] }>> {
  return read(state, unknownSchedule(request.id), () => {
    const row = findSchedule(state, request.id);
    if (!row) return unknownSchedule(request.id);
    const count = Math.min(MAX_PREVIEW, Math.max(1, request.count));
    return done({ fires: previewFires(ruleOf(row), state.ports.now(), count) });
  });
}

/** Ends that were told to nobody are asked for first, as far as that takes no longer than a second. */
export async function listFires(
  state: DirectoryState,
  request: { readonly id: string; readonly before: number | null; readonly limit: number },
): Promise<Answer<{ readonly fires: readonly FireRecord[]; readonly next: number | null }>> {
  if (request.before === null) await lookFor(state, request.id);
  return read(state, unknownSchedule(request.id), () => {
    if (!findSchedule(state, request.id)) return unknownSchedule(request.id);
    const limit = Math.min(MAX_PAGE, Math.max(1, request.limit));
    const before = request.before ?? Number.MAX_SAFE_INTEGER;
    const rows = state.sql.all<FireRecord>(FIRES, request.id, before, limit + 1);
    const fires = rows.slice(0, limit);
    return done({ fires, next: rows.length > limit ? (fires.at(-1)?.fireAt ?? null) : null });
  });
}

async function lookFor(state: DirectoryState, id: string): Promise<void> {
  const open = read(state, done({ fires: [] }), () => done({ fires: untoldByRead(state, id) }));
  if (!open.ok || open.fires.length === 0) return;
  const looked = lookAfter(state, open.fires);
  state.host.keepAlive(looked);
  await callWithin(state.ports, LOOK_WITHIN_MS, async () => {
    await looked;
    return done({});
  });
}
