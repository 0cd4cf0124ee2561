/**
 * Fires that are due while an earlier one may run, of schedules that `skip` or `queue-one`: how the earlier ones stand is
 * asked first, because an end may not have been heard of, then each goes, waits or is left out.
 * Must stay true: while it is asked for, a fire is pending, so a death loses nothing; it is decided in one transaction
 * with what was found out.
 */
import { iso } from "../../../core/task.ts";
import { write } from "../perform.ts";
import { findSchedule } from "../schedules/schedule-row.ts";
import { type DirectoryState, done } from "../state.ts";
import { openFires } from "./fire-rows.ts";
import { endWaitingFires } from "./give-up-fires.ts";
import { lookUp, noteLooks } from "./look-up-fires.ts";
import { type FireName, fireKey, goOn, isInTheWay, isPending, leaveOut, waitFor } from "./pending-fire.ts";

export async function decideOverlaps(state: DirectoryState, fires: readonly FireName[]): Promise<void> {
  if (fires.length === 0) return;
  for (const fire of fires) state.inFlight.add(fireKey(fire));
  const open = fires.flatMap(({ schedule, fireAt }) => openFires(state, schedule, fireAt));
  const looks = await lookUp(state, open);
  for (const fire of fires) state.inFlight.delete(fireKey(fire));
  write(state, () => {
    noteLooks(state, looks);
    for (const fire of fires) decide(state, fire);
    return done({});
  });
}

function decide(state: DirectoryState, fire: FireName): void {
  const row = findSchedule(state, fire.schedule);
  if (!row || !isPending(state, fire)) return;
  // Meanwhile: what was not under way has been given up.
  if (row.paused === 1) endWaitingFires(state, row.id);
  else if (!isInTheWay(state, fire)) goOn(state, fire);
  else if (row.overlap === "queue-one") waitFor(state, fire);
  else if (row.overlap === "skip") {
    const [earlier] = openFires(state, fire.schedule, fire.fireAt);
    const which = earlier ? `the fire of ${iso(earlier.fireAt)}` : "an earlier fire";
    leaveOut(state, fire, `${which} had not ended`);
  } else goOn(state, fire);
}
