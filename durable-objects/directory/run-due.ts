/**
 * The alarm's work, which the tick does too: decides in one transaction, sets the next alarm, and only then sends, not
 * awaited, because an alarm that waits for others holds its next one back.
 * Must stay true: it never throws (the platform forgets an alarm that failed six times); what was decided is on record
 * before it is sent, with the time of its next try, so a death at any point loses nothing.
 */
import { describeThrown } from "../../core/log.ts";
import { arm } from "./arm.ts";
import { cancelFires } from "./fires/cancel-fires.ts";
import { decideOverlaps } from "./fires/decide-overlap.ts";
import { lookAfter } from "./fires/look-after-fires.ts";
import { submitFires } from "./fires/submit-fires.ts";
import { type DueWork, takeDue } from "./fires/take-due.ts";
import { workJobs } from "./jobs/work-jobs.ts";
import { forgetHistory } from "./queues/forget-history.ts";
import { sendSettings } from "./queues/push-settings.ts";
import { scaleQueues } from "./queues/scale-queues.ts";
import { registerAtRoot } from "./register-tenant.ts";
import type { DirectoryState } from "./state.ts";

const AFTER_FAILURE_MS = 60_000;

/** The platform's alarm has come: none is set any more. */
export function onAlarm(state: DirectoryState): void {
  state.alarmAt = null;
  runDue(state);
}

/** Does all that is due. Never throws. */
export function runDue(state: DirectoryState): void {
  const now = state.ports.now();
  try {
    if (!state.hasTables()) return;
    const due = state.transact(() => takeDue(state, now));
    arm(state);
    state.host.keepAlive(send(state, due));
  } catch (error) {
    state.ports.log("error", "directory-alarm-failed", { directory: state.name, detail: describeThrown(error) });
    state.alarmAt = now + AFTER_FAILURE_MS;
    state.host.setAlarm(state.alarmAt);
  }
}

async function send(state: DirectoryState, due: DueWork): Promise<void> {
  await Promise.all([
    submitFires(state, due.fires),
    decideOverlaps(state, due.overlaps),
    lookAfter(state, due.untold),
    cancelFires(state, due.cancels),
    sendSettings(state, due.pushes),
    scaleQueues(state, due.looks),
    workJobs(state, due.portions),
    forgetHistory(state, due.gone),
    due.register ? registerAtRoot(state) : undefined,
  ]);
}
