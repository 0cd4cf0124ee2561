/** Every type that is routed, by name. */
import type { Answer } from "../../../core/schema/answer.ts";
import type { TypeRoute } from "../../../core/schema/directory-rpc.ts";
import { read } from "../perform.ts";
import { type DirectoryState, done } from "../state.ts";

const LIST = "SELECT type, nullif(queue, '') AS queue, cache_ttl_s AS cacheTtlSeconds FROM route ORDER BY type";

export async function listRoutes(state: DirectoryState): Promise<Answer<{ readonly routes: readonly TypeRoute[] }>> {
  return read(state, done({ routes: [] }), () => done({ routes: state.sql.all<TypeRoute>(LIST) }));
}
