/** The header If-Match, as far as it is read here: one revision of a task, as its ETag tells it, or any. */
import { Problem } from "../../core/errors.ts";
import type { TaskRecord } from "../../core/task.ts";
import type { Ctx } from "../door.ts";

const REVISION = /^"(\d{1,15})"$/;

/** null: whichever the task has. @throws Problem invalid-request */
export function readRevision(c: Ctx): number | null {
  const told = c.req.header("if-match")?.trim();
  if (told === undefined || told === "*") return null;
  const [, rev] = REVISION.exec(told) ?? [];
  if (rev !== undefined) return Number(rev);
  const detail = 'must be one revision in quotes, as the ETag of the task tells it: "3"';
  throw new Problem("invalid-request", `The header If-Match ${detail}.`, {
    errors: [{ pointer: "If-Match:", detail }],
  });
}

/** Of a task that its shard does not have. @throws Problem rev-mismatch */
export function checkRevision(task: Pick<TaskRecord, "rev">, rev: number | null): void {
  if (rev === null || task.rev === rev) return;
  throw new Problem("rev-mismatch", `The task has revision ${task.rev} by now, not ${rev}.`);
}
