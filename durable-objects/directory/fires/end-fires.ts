/**
 * What fires made has ended: told by shards and runs, or found out. Then what waits for it goes, and a schedule whose
 * fires fail in a row is paused. Told twice, it changes nothing.
 */
import type { Answer, Versioned } from "../../../core/schema/answer.ts";
import type { FireEnd } from "../../../core/schema/workflow-rpc.ts";
import { noteEvent } from "../note-event.ts";
import { write } from "../perform.ts";
import { findSchedule } from "../schedules/schedule-row.ts";
import { type DirectoryState, done } from "../state.ts";
import { howItWent, noteEnd, wasMissed } from "./fire-rows.ts";
import { endWaitingFires } from "./give-up-fires.ts";
import { queueOf, releaseWaiting, settleFired, settleMissed } from "./pending-fire.ts";

const STOP = `UPDATE schedule SET next_at = NULL, paused = 1, stopped = ?2, updated_at = max(?3, updated_at + 1)
  WHERE id = ?1`;

export async function fireEnded(
  state: DirectoryState,
  { ends }: Versioned & { readonly ends: readonly FireEnd[] },
): Promise<Answer<object>> {
  return write(state, () => {
    endFires(state, ends);
    return done({});
  });
}

/** Inside a transaction. */
export function endFires(state: DirectoryState, ends: readonly FireEnd[]): void {
  for (const end of ends) {
    // The shard's answer was lost, or is on its way still.
    settleFired(state, end, end.made);
    if (wasMissed(state, end)) settleMissed(state, end, end.made);
    noteEnd(state, end);
  }
  for (const schedule of new Set(ends.map((end) => end.schedule))) {
    releaseWaiting(state, schedule);
    stopFailing(state, schedule);
  }
}

/** Pauses a schedule for its reason, which its view tells until it is resumed. Inside a transaction. */
export function stopSchedule(state: DirectoryState, id: string, why: string): void {
  state.sql.run(STOP, id, why, state.ports.now());
  noteEvent(state, "schedule-stopped", `${id} is paused: ${why}`, queueOf(state, id));
}

function stopFailing(state: DirectoryState, id: string): void {
  const row = findSchedule(state, id);
  if (!row || row.paused === 1 || row.disable_after === null) return;
  const { failuresInRow } = howItWent(state, row);
  if (failuresInRow < row.disable_after) return;
  stopSchedule(state, id, `${failuresInRow} fires in a row ended FAILED or EXPIRED (disableAfter)`);
  endWaitingFires(state, id);
}
