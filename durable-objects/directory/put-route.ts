/**
 * Routes a type to a queue, which need not exist: its first submission makes it. Tasks that wait stay where they are.
 * What is told of the type beside that (cacheTtlSeconds) goes with the route.
 */
import type { Answer } from "../../core/schema/answer.ts";
import type { PutRouteRequest } from "../../core/schema/directory-rpc.ts";
import { write } from "./perform.ts";
import { type DirectoryState, done } from "./state.ts";

const PUT = `INSERT INTO route (type, queue, cache_ttl_s) VALUES (?1, ?2, ?3)
  ON CONFLICT (type) DO UPDATE SET queue = ?2, cache_ttl_s = ?3 WHERE queue <> ?2 OR cache_ttl_s IS NOT ?3`;

export async function putRoute(
  state: DirectoryState,
  { type, queue, cacheTtlSeconds = null }: Omit<PutRouteRequest, "v">,
): Promise<Answer<object>> {
  return write(state, () => {
    state.sql.run(PUT, type, queue, cacheTtlSeconds);
    return done({});
  });
}
