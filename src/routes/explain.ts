/** GET /tasks/submissions/{id}/explain: why a task does not run yet, or who runs it, or how it ended. */

import { Problem } from "../../core/errors.ts";
import { explainEnded } from "../../core/explain.ts";
import { type TaskId, taskId } from "../../core/ids.ts";
import { iso } from "../../core/task.ts";
import { answered, ask, deadlineOf, timeLeft } from "../../reads/ask.ts";
import { findTask, isFound, type Located, locate, readKept } from "../../reads/find-tasks.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { explainBlocked } from "../read/explain-blocked.ts";

export async function explainTask(door: Door, c: Ctx): Promise<Response> {
  const { ports } = door;
  const deadline = deadlineOf(ports);
  const located = await locate(door, c.env.tenant, c.req.param("id") ?? "", deadline);
  if ("code" in located) throw new Problem(located.code, located.detail);
  const { at, seq } = located;
  const id = taskId(at, seq);
  const explanation = (await explainLive(door, located, deadline)) ?? (await explainKept(door, located, deadline));
  noteTask(c, id);
  const blocked = explanation.status === "BLOCKED" ? await explainNode(door, c, id, deadline) : null;
  const others = "reasons" in explanation ? explanation.reasons : [];
  const told = blocked ? { ...blocked, reasons: [...blocked.reasons, ...others] } : explanation;
  return json({ id, queue: at.queue, asOf: iso(ports.now()), ...told });
}

async function explainNode(door: Door, c: Ctx, id: TaskId, deadline: number) {
  const { record } = await findTask(door, c.env.tenant, id, {});
  const partOf = record.links?.partOf;
  return partOf ? await explainBlocked(door, c.env.tenant, partOf, deadline) : null;
}

/** A read harms nothing, so one that got no answer is tried once more. null: its shard has it no more. */
async function explainLive({ ports, log }: Door, { at, seq }: Located, deadline: number) {
  const whom = `Shard ${at.shard} of ${at.queue}`;
  const tell = () =>
    ask(ports, log, { whom, ms: timeLeft(ports, deadline), lost: "unavailable" }, () =>
      ports.shard(at).explain({ v: 1, seq }),
    );
  const first = await tell();
  const isAgain = !first.ok && first.code === "unavailable" && ports.now() < deadline;
  return answered(isAgain ? await tell() : first).explanation;
}

async function explainKept(door: Door, located: Located, deadline: number) {
  const [kept] = await readKept(door, located, [located.seq], { texts: false, deadline });
  if (kept !== undefined && isFound(kept)) return explainEnded(kept.record);
  throw new Problem(kept?.code ?? "task-unknown", kept?.detail ?? "There is no such task.");
}
