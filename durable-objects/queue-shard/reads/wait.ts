/** `?wait=`: a question that is answered when the task ends. Waiters live in memory; a lost object loses the question only. */
import type { Seq } from "../../../core/ids.ts";
import type { Versioned } from "../../../core/schema/answer.ts";
import type { ReadAnswer } from "../../../core/schema/rpc.ts";
import { isFinished } from "../../../core/status.ts";
import type { TaskRecord } from "../../../core/task.ts";
import type { Shard, TaskWaiter } from "../shard.ts";
import { read } from "./read.ts";
import { tellWatchersOfEnd } from "./watch.ts";

/** Answers at once where the task has ended or is not here; else when it ends, or after `waitMs` with what it is then. */
export function wait(
  shard: Shard,
  request: Versioned & { readonly seq: Seq; readonly waitMs: number },
  respond: (answer: ReadAnswer) => void,
): void {
  const { seq } = request;
  const ask = () => read(shard, { v: 1, seqs: [seq] });
  const answer = ask();
  const task = answer.ok ? answer.tasks[0] : null;
  const isIdle = shard.draining && task?.status !== "RUNNING";
  if (!task || isFinished(task.status) || request.waitMs <= 0 || isIdle) {
    respond(answer);
    return;
  }
  const waiters = shard.waiters.get(seq) ?? new Set();
  shard.waiters.set(seq, waiters);
  const waiter: TaskWaiter = {
    respond,
    stopTimer: shard.ports.later(request.waitMs, () => {
      waiters.delete(waiter);
      if (waiters.size === 0) shard.waiters.delete(seq);
      respond(ask());
    }),
  };
  waiters.add(waiter);
}

/** The shard forgot every task: none is here to be waited for. */
export function tellNobody(shard: Shard): void {
  for (const seq of [...shard.waiters.keys()]) tell(shard, seq, { v: 1, ok: true, tasks: [null] });
}

/** The service stops: no task that is not running will end before. */
export function tellIdleWaiters(shard: Shard): void {
  const running = new Set<Seq>();
  for (const { claims } of shard.memory.sessions.values()) for (const seq of claims.keys()) running.add(seq);
  for (const seq of [...shard.waiters.keys()])
    if (!running.has(seq)) tell(shard, seq, read(shard, { v: 1, seqs: [seq] }));
}

/** After the commit that ended them. */
export function tellWaiters(shard: Shard, ended: readonly TaskRecord[]): void {
  if (shard.watchers.size > 0) tellWatchersOfEnd(shard, ended);
  if (shard.waiters.size === 0) return;
  for (const record of ended) tell(shard, record.seq, { v: 1, ok: true, tasks: [record] });
}

function tell(shard: Shard, seq: Seq, answer: ReadAnswer): void {
  for (const waiter of shard.waiters.get(seq) ?? []) {
    waiter.stopTimer();
    waiter.respond(answer);
  }
  shard.waiters.delete(seq);
}
