/**
 * What a shard's answer to a submission says of each task, and how it is kept for an Idempotency-Key, so that the same
 * request is told the same again. Tasks that follow each other and stand alike are one entry: a batch of 10,000 is some
 * 60 bytes.
 * Must stay true: what is restored tells of each task what the first answer told, but for those refused that have been
 * taken since.
 */
import { ERRORS } from "./errors.ts";
import type { Seq, TaskId } from "./ids.ts";
import type { KnownTask, NewTask, RefusedTask, SubmitAnswer } from "./schema/rpc.ts";
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
  /** It is what was sent now. */
  readonly replaced?: true;
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
  for (const { index, status, createdAt, source, replaced } of known ?? []) {
    const task = told[index];
    if (!task) continue;
    told[index] = {
      ...task,
      status,
      createdAt,
      ...(source !== undefined && { source }),
      ...(replaced && { replaced }),
    };
  }
  for (const index of duplicates) {
    const task = told[index];
    if (task) told[index] = { ...task, duplicate: true };
  }
  return told;
}

/** The status in which a task is written down. */
export function bornAs(
  task: Pick<NewTask, "runAt" | "blocked"> | undefined,
  now: number,
): "SCHEDULED" | "BLOCKED" | "QUEUED" {
  if (task?.blocked) return "BLOCKED";
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
  source?: TaskId | null,
  isReplaced?: true,
];

const REFUSED = {
  seq: null,
  status: null,
  createdAt: 0,
  duplicate: false,
  source: undefined,
  replaced: undefined,
} as const;

interface StoredAnswer {
  readonly createdAt: number;
  readonly runs: readonly StoredRun[];
  readonly refused: Accepted["refused"];
}

/** JSON text of the answer, with what it said of each task. */
export function storeAnswer(tasks: readonly Pick<NewTask, "runAt">[], answer: Accepted): string {
  const runs: StoredRun[] = [];
  for (const task of acceptedTasks(tasks, answer)) {
    const { seq, status, createdAt, duplicate, source, replaced } = task ?? REFUSED;
    const last = runs.at(-1);
    const next = last && last[0] !== null ? last[0] + last[1] : null;
    const isAlike = last?.[2] === status && last[3] === createdAt && last[4] === duplicate && last[5] === source;
    if (replaced) runs.push([seq, 1, status, createdAt, duplicate, null, true]);
    else if (last && next === seq && isAlike) last[1]++;
    else if (source === undefined) runs.push([seq, 1, status, createdAt, duplicate]);
    else runs.push([seq, 1, status, createdAt, duplicate, source]);
  }
  const stored: StoredAnswer = { createdAt: answer.createdAt, runs, refused: answer.refused };
  return JSON.stringify(stored);
}

/** Of the tasks that were refused: those that may be taken another time. */
export function mayPass({ code }: RefusedTask): boolean {
  return ERRORS[code].retryable;
}

/**
 * What an Idempotency-Key got before, with what has become of those tasks that were tried again.
 * @param again where they stand in the submission, in their order
 */
export function withTriedAgain(
  before: Accepted,
  again: readonly number[],
  tasks: readonly Pick<NewTask, "runAt">[],
  tried: Accepted,
): Accepted {
  const seqs = [...before.seqs];
  const duplicates = [...before.duplicates];
  const known = [...(before.known ?? [])];
  for (const [i, task] of acceptedTasks(tasks, tried).entries()) {
    const index = again[i];
    if (index === undefined || task === null) continue;
    const { seq, duplicate, ...told } = task;
    seqs[index] = seq;
    known.push({ index, ...told });
    if (duplicate) duplicates.push(index);
  }
  const left = before.refused.filter(({ index }) => !again.includes(index));
  const still = tried.refused.map((refusal) => ({ ...refusal, index: again[refusal.index] ?? refusal.index }));
  return {
    v: 1,
    ok: true,
    createdAt: before.createdAt,
    seqs,
    duplicates: duplicates.sort((a, b) => a - b),
    refused: [...left, ...still].sort((a, b) => a.index - b.index),
    known,
    ...(tried.seqs.every((seq) => seq === null) && { replayed: true }),
  };
}

/** The answer again, marked as replayed. */
export function restoreAnswer(text: string): Accepted {
  const { createdAt, runs, refused } = JSON.parse(text) as StoredAnswer;
  const seqs: (Seq | null)[] = [];
  const duplicates: number[] = [];
  const known: KnownTask[] = [];
  for (const [first, count, status, at, isDuplicate, source, replaced] of runs)
    for (let i = 0; i < count; i++) {
      const index = seqs.length;
      seqs.push(first === null ? null : ((first + i) as Seq));
      if (isDuplicate) duplicates.push(index);
      if (first === null) continue;
      known.push({ index, status, createdAt: at, ...(source && { source }), ...(replaced && { replaced }) });
    }
  return { v: 1, ok: true, createdAt, seqs, duplicates, refused, known, replayed: true };
}
