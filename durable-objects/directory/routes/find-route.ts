/** Which queue a type's tasks go to where the submission names none, and what else PUT /types told of it. */
import type { TypeRoute } from "../../../core/schema/directory-rpc.ts";
import type { DirectoryState } from "../state.ts";

/** The column holds no NULL: '' is nowhere. */
const FIND = "SELECT type, nullif(queue, '') AS queue, cache_ttl_s AS cacheTtlSeconds FROM route WHERE type = ?";

/** null: nothing was ever told of it. */
export function findRoute(state: DirectoryState, type: string): TypeRoute | null {
  return state.sql.all<TypeRoute>(FIND, type)[0] ?? null;
}
