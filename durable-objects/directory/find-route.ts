/** Which queue a type's tasks go to where the submission names none, and what else PUT /types told of it. */
import type { TypeRoute } from "../../core/schema/directory-rpc.ts";
import type { DirectoryState } from "./state.ts";

const FIND = "SELECT type, queue, cache_ttl_s AS cacheTtlSeconds FROM route WHERE type = ?";

/** null: nowhere, so `default`. */
export function findRoute(state: DirectoryState, type: string): TypeRoute | null {
  return state.sql.all<TypeRoute>(FIND, type)[0] ?? null;
}
