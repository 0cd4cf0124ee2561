/** Operator events: told by consumers and shards, read by the door. */
import type { Answer } from "../../core/schema/answer.ts";
import type { OperatorEvent } from "../../core/schema/directory-rpc.ts";
import { EVENTS_KEPT, noteEvent } from "./note-event.ts";
import { read, write } from "./perform.ts";
import { type DirectoryState, done } from "./state.ts";

const LATEST = "SELECT at, kind, detail FROM event ORDER BY n DESC LIMIT ?";

export async function report(
  state: DirectoryState,
  request: { readonly event: Omit<OperatorEvent, "at"> },
): Promise<Answer<object>> {
  return write(state, () => {
    noteEvent(state, request.event.kind, request.event.detail);
    return done({});
  });
}

/** The latest 1,000, the newest first. */
export async function events(state: DirectoryState): Promise<Answer<{ readonly events: readonly OperatorEvent[] }>> {
  return read(state, done({ events: [] }), () => done({ events: state.sql.all<OperatorEvent>(LATEST, EVENTS_KEPT) }));
}
