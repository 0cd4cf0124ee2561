/** Operator events: told by consumers and shards, read by the door. */
import type { Answer } from "../../core/schema/answer.ts";
import type { EventsAnswer, EventsRequest, OperatorEvent } from "../../core/schema/directory-rpc.ts";
import { noteEvent } from "./note-event.ts";
import { read, write } from "./perform.ts";
import { type DirectoryState, done } from "./state.ts";

const LATEST = `SELECT n, at, kind, detail, queue FROM event
  WHERE n < ?1 AND (?2 IS NULL OR queue = ?2) AND (?3 IS NULL OR kind = ?3) ORDER BY n DESC LIMIT ?4`;

const MAX_PAGE = 1_000;

export async function report(
  state: DirectoryState,
  request: { readonly event: Omit<OperatorEvent, "at"> },
): Promise<Answer<object>> {
  return write(state, () => {
    const { kind, detail, queue = null } = request.event;
    noteEvent(state, kind, detail, queue);
    return done({});
  });
}

/** The newest first, a page of at most 1,000 (which is what who names no limit gets). */
export async function events(
  state: DirectoryState,
  { queue, kind, before, limit = MAX_PAGE }: Omit<EventsRequest, "v">,
): Promise<EventsAnswer> {
  return read(state, done({ events: [], next: null }), () => {
    const most = Math.min(MAX_PAGE, Math.max(1, limit));
    type Row = OperatorEvent & { readonly n: number };
    const rows = state.sql.all<Row>(LATEST, before ?? Number.MAX_SAFE_INTEGER, queue ?? null, kind ?? null, most + 1);
    const page = rows.slice(0, most);
    const next = rows.length > most ? (page.at(-1)?.n ?? null) : null;
    return done({ events: page.map(({ n: _, ...event }) => event), next });
  });
}
