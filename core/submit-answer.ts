/**
 * What a shard's answer to a submission says of each task, and how it is kept for an Idempotency-Key, so that the same
 * request is told the same again. Tasks that follow each other and stand alike are one entry: a batch of 10,000 is some
 * 60 bytes.
 * Must stay true: what is restored tells of each task what the first answer told.
 */
import type { Seq, TaskId } from "./ids.ts";
import type { KnownTask, NewTask, SubmitAnswer } from "./schema/rpc.ts";
import type { Status } from "./status.ts";

export type Accepted = Extract<SubmitAnswer, { ok: true }>;

export interface AcceptedTask {
  readonly seq: Seq;
  /** As it was written down; of a duplicate: as the first one stands. null: it has left its shard. */
  readonly status: Status | null;
  /** Unix ms. */
  readonly createdAt: number;
  /** It was there before. */
  readonly duplicate: boolean;
  /** It ended at once, by that task's result. */
  readonly source?: TaskId;
}

/** The tasks in order, null where refused. @param tasks as they were submitted */
export function acceptedTasks(
  tasks: readonly Pick<NewTask, "runAt">[],
  { createdAt, seqs, known, duplicates }: Accepted,
): (AcceptedTask | null)[] {
  const told = seqs.map((seq, i): AcceptedTask | null =>
    seq === null ? null : { seq, status: bornAs(tasks[i], createdAt), createdAt, duplicate: false },
  );
  for (const { index, status, createdAt, source } of known ?? []) {
    const task = told[index];
    if (task) told[index] = { ...task, status, createdAt, ...(source !== undefined && { source }) };
  }
  for (const index of duplicates) {
    const task = told[index];
    if (task) told[index] = { ...task, duplicate: true };
  }
  return told;
}

/** The status in which a task is written down. */
export function bornAs(task: Pick<NewTask, "runAt"> | undefined, now: number): "SCHEDULED" | "QUEUED" {
  const runAt = task?.runAt ?? null;
  return runAt !== null && runAt > now ? "SCHEDULED" : "QUEUED";
}

/** So many tasks from `seq` on; `seq` null: refused ones. */
type StoredRun = [
  seq: Seq | null,
  count: number,
  status: Status | null,
  createdAt: number,
  isDuplicate: boolean,
  source?: TaskId,
];

const REFUSED = { seq: null, status: null, createdAt: 0, duplicate: false, source: undefined } as const;

interface StoredAnswer {
  readonly createdAt: number;
  readonly runs: readonly StoredRun[];
  readonly refused: Accepted["refused"];
}

/** JSON text of the answer, with what it said of each task. */
export function storeAnswer(tasks: readonly Pick<NewTask, "runAt">[], answer: Accepted): string {
  const runs: StoredRun[] = [];
  for (const task of acceptedTasks(tasks, answer)) {
    const { seq, status, createdAt, duplicate, source } = task ?? REFUSED;
    const last = runs.at(-1);
    const next = last && last[0] !== null ? last[0] + last[1] : null;
    const isAlike = last?.[2] === status && last[3] === createdAt && last[4] === duplicate && last[5] === source;
    if (last && next === seq && isAlike) last[1]++;
    else if (source === undefined) runs.push([seq, 1, status, createdAt, duplicate]);
    else runs.push([seq, 1, status, createdAt, duplicate, source]);
  }
  const stored: StoredAnswer = { createdAt: answer.createdAt, runs, refused: answer.refused };
  return JSON.stringify(stored);
}

/** The answer again, marked as replayed. */
export function restoreAnswer(text: string): Accepted {
  const { createdAt, runs, refused } = JSON.parse(text) as StoredAnswer;
  const seqs: (Seq | null)[] = [];
  const duplicates: number[] = [];
  const known: KnownTask[] = [];
  for (const [first, count, status, at, isDuplicate, source] of runs)
    for (let i = 0; i < count; i++) {
      const index = seqs.length;
      seqs.push(first === null ? null : ((first + i) as Seq));
      if (isDuplicate) duplicates.push(index);
      if (first !== null) known.push({ index, status, createdAt: at, ...(source !== undefined && { source }) });
    }
  return { v: 1, ok: true, createdAt, seqs, duplicates, refused, known, replayed: true };
}
