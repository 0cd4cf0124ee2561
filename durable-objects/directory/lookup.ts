/** What the door must know to route a submission or an id; the Workers cache it for 5 s, so this is asked seldom. */
import { DEFAULT_QUEUE, type QueueName } from "../../core/ids.ts";
import type { LookupAnswer, LookupRequest } from "../../core/schema/directory-rpc.ts";
import { read, write } from "./perform.ts";
import { comesByItself, findOrMakeQueue, findQueue } from "./queues/queue-entry.ts";
import { findRoute } from "./routes/find-route.ts";
import { type DirectoryState, done } from "./state.ts";

export async function lookup(state: DirectoryState, request: LookupRequest): Promise<LookupAnswer> {
  const nothing: LookupAnswer = done({ route: null, entry: null, declared: false });
  const answer = read(state, nothing, () => look(state, request, findQueue));
  if (!answer.ok || answer.entry !== null) return answer;
  const name = request.queue ?? answer.route ?? DEFAULT_QUEUE;
  const coming = read(state, done({ comes: name === DEFAULT_QUEUE }), () =>
    done({ comes: comesByItself(state, name) }),
  );
  if (!coming.ok) return coming;
  if (!request.create || !coming.comes) return { ...answer, comes: coming.comes };
  return write(state, () => look(state, request, findOrMakeQueue));
}

function look(state: DirectoryState, request: LookupRequest, find: typeof findQueue): LookupAnswer {
  const route = request.type === null ? null : findRoute(state, request.type);
  const name: QueueName = request.queue ?? route?.queue ?? DEFAULT_QUEUE;
  return done({
    route: route?.queue ?? null,
    entry: find(state, name),
    declared: route !== null,
    cacheTtlSeconds: route?.cacheTtlSeconds ?? null,
  });
}
