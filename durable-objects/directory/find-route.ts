/** Which queue a type's tasks go to where the submission names none. */
import type { QueueName } from "../../core/ids.ts";
import type { DirectoryState } from "./state.ts";

const FIND = "SELECT queue FROM route WHERE type = ?";

/** null: nowhere, so `default`. */
export function findRoute(state: DirectoryState, type: string): QueueName | null {
  const [row] = state.sql.all<{ queue: QueueName }>(FIND, type);
  return row?.queue ?? null;
}
