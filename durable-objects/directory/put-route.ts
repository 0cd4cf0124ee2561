/** Routes a type to a queue, which need not exist: its first submission makes it. Tasks that wait stay where they are. */
import type { QueueName } from "../../core/ids.ts";
import type { Answer } from "../../core/schema/answer.ts";
import { write } from "./perform.ts";
import { type DirectoryState, done } from "./state.ts";

const PUT =
  "INSERT INTO route (type, queue) VALUES (?1, ?2) ON CONFLICT (type) DO UPDATE SET queue = ?2 WHERE queue <> ?2";

export async function putRoute(
  state: DirectoryState,
  request: { readonly type: string; readonly queue: QueueName },
): Promise<Answer<object>> {
  return write(state, () => {
    state.sql.run(PUT, request.type, request.queue);
    return done({});
  });
}
