/** GET /tasks/compare?a=&b=: two tasks field by field, whether they live, have ended, or are of two queues. */
import { comparable, compareObjects } from "../../core/compare.ts";
import { Problem } from "../../core/errors.ts";
import { taskId } from "../../core/ids.ts";
import { type Found, findTask } from "../../reads/find-tasks.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { queryProblem } from "../middleware/problems.ts";

export async function compareTasks(door: Door, c: Ctx): Promise<Response> {
  const [a, b] = await Promise.all([findSide(door, c, "a"), findSide(door, c, "b")]);
  const now = door.ports.now();
  const { different, differences, same } = compareObjects(sideOf(a, now), sideOf(b, now));
  return json({ a: headOf(a), b: headOf(b), different, differences, more: different > differences.length, same });
}

/** @throws Problem that names the parameter, where there is no such task */
async function findSide(door: Door, c: Ctx, name: "a" | "b"): Promise<Found> {
  const id = c.req.query(name);
  if (id === undefined || id === "") throw queryProblem(name, "is required: the id of a task");
  try {
    const found = await findTask(door, c.env.tenant, id, { texts: true });
    noteTask(c, taskId(found.at, found.record.seq));
    return found;
  } catch (thrown) {
    if (!(thrown instanceof Problem)) throw thrown;
    const { code, detail, options } = thrown;
    throw new Problem(code, detail, { ...options, errors: [{ pointer: `?${name}`, detail }] });
  }
}

function sideOf({ at, record }: Found, now: number): object {
  return comparable(at.queue, at.shard, record, now);
}

function headOf({ at, record }: Found) {
  return { id: taskId(at, record.seq), status: record.status };
}
