/** A batch that is all or nothing: of one queue and one shard, with nothing wrong in it, or nothing of it is taken. */
import { type ErrorCode, Problem } from "../../core/errors.ts";
import { MAX_ERRORS } from "../../core/explain-issues.ts";
import type { Fault } from "../../core/make-task.ts";
import { namedShard } from "../../core/placement.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import { type Reading, readBatch } from "./read-tasks.ts";

export interface Together {
  readonly entry: QueueEntry;
  readonly tasks: readonly NewTask[];
}

/** @throws Problem with every fault, as far as one answer holds them */
export async function readTogether(
  reading: Reading,
  raws: readonly unknown[],
  deadline: number,
  isKeyed: boolean,
): Promise<Together> {
  const read = await readBatch(reading, raws, { deadline, stopEarly: true, isKeyed });
  const faults = read.faults.map(({ fault }) => fault);
  const entry = read.entries.find((found) => found !== null);
  const tasks: NewTask[] = [];
  for (const [index, task] of read.tasks.entries()) {
    if (task === null) continue;
    tasks.push(task);
    const own = read.entries[index];
    if (own?.queue !== entry?.queue && faults.length < MAX_ERRORS) faults.push(otherQueue(index));
  }
  if (faults.length > 0) throw batchProblem(faults);
  if (!entry) throw new Problem("invalid-request", "The batch is empty.");
  const { astray } = namedShard(entry.settings, tasks);
  if (astray !== null) throw batchProblem([otherShard(astray, tasks[astray])]);
  return { entry, tasks };
}

function otherQueue(index: number): Fault {
  return {
    code: "invalid-request",
    detail: "A batch that is all or nothing is of one queue. Send one batch a queue, or atomic: false.",
    errors: [{ pointer: `/tasks/${index}`, detail: "goes to another queue than the first task" }],
  };
}

function otherShard(index: number, task: NewTask | undefined): Fault {
  const field = task?.limitKey === undefined ? "unique" : "limitKey";
  return {
    code: "invalid-request",
    detail: "A batch that is all or nothing is of one shard, and its keys name several. Send atomic: false.",
    errors: [{ pointer: `/tasks/${index}/${field}`, detail: "names another shard than one before it" }],
  };
}

/** All the faults as one problem: the first one's code, because that decides the status, and everyone's pointers. */
function batchProblem(faults: readonly Fault[]): Problem {
  const first = faults[0];
  const code: ErrorCode = first?.code ?? "invalid-request";
  const detail = `${first?.detail ?? ""} Nothing of the batch was accepted.`;
  return new Problem(code, detail, { errors: faults.flatMap((fault) => fault.errors).slice(0, MAX_ERRORS) });
}
