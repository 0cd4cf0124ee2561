/** Undoes a PUT of a type: routed nowhere, and unknown where no handler has it. Tasks that wait stay where they are. */
import type { Answer } from "../../../core/schema/answer.ts";
import { write } from "../perform.ts";
import { type DirectoryState, done, refuse } from "../state.ts";

const DELETE = "DELETE FROM route WHERE type = ? RETURNING type";

/** Refused: `not-found` where there is nothing to undo. */
export async function deleteRoute(state: DirectoryState, request: { readonly type: string }): Promise<Answer<object>> {
  const { type } = request;
  return write(state, () =>
    state.sql.all(DELETE, type).length > 0 ? done({}) : refuse("not-found", `No PUT /types/${type} is there to undo.`),
  );
}
