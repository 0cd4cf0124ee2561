/** Ends a schedule: with it go its fires that wait. Tasks that it made stay. */
import type { Answer } from "../../../core/schema/answer.ts";
import { forgetFires } from "../fires/pending-fire.ts";
import { write } from "../perform.ts";
import { type DirectoryState, done } from "../state.ts";
import { dropRequestKeys } from "../write-once.ts";
import { unknownSchedule } from "./save-schedule.ts";

const DELETE = "DELETE FROM schedule WHERE id = ? RETURNING id";
const DELETE_PAYLOAD = "DELETE FROM schedule_payload WHERE schedule = ?";

export async function deleteSchedule(state: DirectoryState, request: { readonly id: string }): Promise<Answer<object>> {
  return write(state, () => {
    if (state.sql.all(DELETE, request.id).length === 0) return unknownSchedule(request.id);
    state.sql.run(DELETE_PAYLOAD, request.id);
    forgetFires(state, request.id);
    dropRequestKeys(state, `schedule:${request.id}`);
    return done({});
  });
}
