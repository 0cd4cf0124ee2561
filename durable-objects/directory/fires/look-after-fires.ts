/**
 * Fires whose end was told to nobody (their queue was deleted, say) would be taken for running. They are asked after when
 * the schedule's history is read, and, where no overlap policy asks at each fire, by the first fire of an hour: the
 * oldest hundred, and none that was made in the last minute, whose end may be on its way.
 */

import { write } from "../perform.ts";
import type { ScheduleRow } from "../schedules/schedule-row.ts";
import { type DirectoryState, done } from "../state.ts";
import type { OpenFire } from "./fire-rows.ts";
import { lookUp, noteLooks } from "./look-up-fires.ts";

const UNTOLD = `SELECT schedule, fire_at AS fireAt, made FROM fire
  WHERE schedule = ?1 AND status IS NULL AND fired_at <= ?2 ORDER BY fire_at LIMIT 100`;

const HOUR_MS = 3_600_000;
const ON_ITS_WAY_MS = 60_000;
/** A history that is read again and again asks no more often. */
const LOOK_EACH_MS = 60_000;
const MAX_LOOKED_AT = 1_000;

/** Of a schedule that is due; none but for the first time in an hour. @param now Unix ms */
export function untoldByFire(state: DirectoryState, row: ScheduleRow, now: number): OpenFire[] {
  const isFirst = Math.floor((row.last_fire_at ?? now) / HOUR_MS) < Math.floor(now / HOUR_MS);
  return row.overlap === null && isFirst ? untold(state, row.id, now) : [];
}

/** Of a schedule whose history is read now. */
export function untoldByRead(state: DirectoryState, schedule: string): OpenFire[] {
  const { lookedAt } = state;
  const now = state.ports.now();
  if (now < (lookedAt.get(schedule) ?? 0) + LOOK_EACH_MS) return [];
  const open = untold(state, schedule, now);
  if (open.length === 0) return [];
  if (lookedAt.size >= MAX_LOOKED_AT) lookedAt.clear();
  lookedAt.set(schedule, now);
  return open;
}

/** Never rejects. */
export async function lookAfter(state: DirectoryState, fires: readonly OpenFire[]): Promise<void> {
  if (fires.length === 0) return;
  const looks = await lookUp(state, fires);
  if (looks.every(({ seen }) => seen === null)) return;
  write(state, () => {
    noteLooks(state, looks);
    return done({});
  });
}

function untold(state: DirectoryState, schedule: string, now: number): OpenFire[] {
  return state.sql.all<OpenFire>(UNTOLD, schedule, now - ON_ITS_WAY_MS);
}
