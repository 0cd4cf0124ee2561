/**
 * Routes a type to a queue, which need not exist: its first submission makes it. Tasks that wait stay where they are.
 * What is told of the type beside that (cacheTtlSeconds) goes with the route.
 */
import type { Answer } from "../../../core/schema/answer.ts";
import type { PatchRouteRequest, PutRouteRequest, TypeRoute } from "../../../core/schema/directory-rpc.ts";
import { write } from "../perform.ts";
import { type DirectoryState, done, refuse } from "../state.ts";
import { findRoute } from "./find-route.ts";

const PUT = `INSERT INTO route (type, queue, cache_ttl_s) VALUES (?1, ?2, ?3)
  ON CONFLICT (type) DO UPDATE SET queue = ?2, cache_ttl_s = ?3 WHERE queue <> ?2 OR cache_ttl_s IS NOT ?3`;
/** As find-route.ts reads it. */
const NOWHERE = "";

export async function putRoute(
  state: DirectoryState,
  { type, queue, cacheTtlSeconds = null }: Omit<PutRouteRequest, "v">,
): Promise<Answer<object>> {
  return write(state, () => {
    state.sql.run(PUT, type, queue, cacheTtlSeconds);
    return done({});
  });
}

/** What is not told stays as it is. Refused: `not-found` where nobody knows the type. */
export async function patchRoute(
  state: DirectoryState,
  { type, queue, cacheTtlSeconds, handled }: Omit<PatchRouteRequest, "v">,
): Promise<Answer<{ readonly route: TypeRoute }>> {
  return write(state, () => {
    const found = findRoute(state, type);
    if (!found && !handled)
      return refuse("not-found", `There is no task type ${type}. PUT /types/${type} makes one known.`);
    const before = found ?? { type, queue: null, cacheTtlSeconds: null };
    const route = {
      type,
      queue: queue === undefined ? before.queue : queue,
      cacheTtlSeconds: cacheTtlSeconds === undefined ? before.cacheTtlSeconds : cacheTtlSeconds,
    };
    state.sql.run(PUT, type, route.queue ?? NOWHERE, route.cacheTtlSeconds);
    return done({ route });
  });
}
