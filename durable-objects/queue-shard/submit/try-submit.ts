/**
 * What would become of a submission: admitted as `submit` admits it, and then left. Must stay true: nothing is written,
 * no memory is changed, and an object without tables stays without.
 */
import { type Seq, taskId } from "../../../core/ids.ts";
import type { LaneKey } from "../../../core/lanes.ts";
import { unpackTasks } from "../../../core/pack-tasks.ts";
import type { TriedTask, TryAnswer, TryRequest } from "../../../core/schema/explain-rpc.ts";
import type { QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { NewTask } from "../../../core/schema/rpc.ts";
import { type Accepted, acceptedTasks, bornAs } from "../../../core/submit-answer.ts";
import { isAnotherQueue } from "../configure.ts";
import { explainWaits, type Told, type Waiting } from "../reads/explain-waits.ts";
import { refuse, type Shard } from "../shard.ts";
import { Admission } from "./admission.ts";
import { laneKeyFor } from "./insert-tasks.ts";

/**
 * What a batch may spend on reasons, as core/count-ahead has it: some 15 ms, of 1,000 tasks that are alike or each of a
 * limitKey that is at its limit (node:sqlite). Without reasons 1,000 tasks take 5 ms, 10,000 take 50.
 */
const EFFORT = 600_000;

export function trySubmit(shard: Shard, packed: TryRequest): TryAnswer {
  const now = shard.ports.now();
  const brought = bringing(shard, packed);
  if (brought && !shard.memory.settings?.deleted && isAnotherQueue(shard, brought))
    return refuse("unavailable", "the shard has yet to forget a deleted queue of that name", 2_000);
  const request = { ...packed, ...(brought && { settings: brought }), tasks: unpackTasks(packed.tasks) };
  const admission = new Admission(shard, now, [{ request }], true);
  const answer = admission.admit(request);
  if (!answer.ok) return answer;
  const settings = admission.newSettings ?? shard.memory.settings;
  const told = settings ? explainNew(shard, settings, admission, now) : new Map<Seq, Told>();
  const tasks = triedTasks(shard, request.tasks, answer, admission, told);
  const [only] = tasks;
  const explanation = (tasks.length === 1 && only?.accepted && only.explanation) || null;
  return { v: 1, ok: true, tasks, replayed: answer.replayed === true, explanation };
}

/** A queue that was deleted and would be made again goes on where its numbers ended, as the Directory has it. */
function bringing(shard: Shard, { settings, makesQueue }: TryRequest): QueueSettings | undefined {
  const left = shard.memory.settings;
  if (!settings || !makesQueue || !left?.deleted) return settings;
  return { ...settings, version: left.version + 1, generation: left.generation + 1 };
}

/** Of each task that would be made. */
function explainNew(
  shard: Shard,
  settings: QueueSettings,
  { planned, replaced }: Admission,
  now: number,
): Map<Seq, Told> {
  const others: { readonly seq: Seq; readonly key: LaneKey }[] = [];
  const waiting = planned.map(({ seq, task: first }): Waiting => {
    const task = replaced.get(seq) ?? first;
    const key = laneKeyFor(task);
    const status = bornAs(task, now);
    if (status === "QUEUED") others.push({ seq, key });
    const { runAt, expiresAt = null } = task;
    return { ...key, seq, runAt, expiresAt, status, spent: 0, crashes: 0, error: null };
  });
  const effort = waiting.length > 1 ? { effort: EFFORT } : {};
  const told = new Map<Seq, Told>();
  for (const [seq, one] of explainWaits(shard, settings, waiting, now, { others, ...effort })) told.set(seq, one);
  return told;
}

const SIBLING = "Another task of the batch has that key.";

function triedTasks(
  shard: Shard,
  tasks: readonly NewTask[],
  answer: Accepted,
  { planned, cached, replaced }: Admission,
  told: ReadonlyMap<Seq, Told>,
): TriedTask[] {
  const refused = new Map(answer.refused.map(({ index, ...refusal }) => [index, refusal]));
  const accepted = acceptedTasks(tasks, answer);
  const fresh = new Set([...planned, ...cached].map(({ seq }) => seq));
  const made = new Map<Seq, number>();
  for (const [index, task] of accepted.entries())
    if (task && !task.duplicate && fresh.has(task.seq)) made.set(task.seq, index);
  const idsOf = new Map(Array.from(made, ([seq, index]) => [taskId(shard.address, seq), index]));
  return accepted.map((task, index): TriedTask => {
    if (task === null) {
      const refusal = refused.get(index) ?? { code: "internal", detail: "neither taken nor refused" };
      const sibling = refusal.taskId === undefined ? undefined : idsOf.get(refusal.taskId);
      if (sibling === undefined) return { accepted: false, refusal };
      return { accepted: false, refusal: { code: refusal.code, detail: SIBLING }, duplicateOfIndex: sibling };
    }
    const { seq, status, source, duplicate } = task;
    if (duplicate || !fresh.has(seq)) {
      const sibling = made.get(seq);
      const which = sibling === undefined ? { duplicateOf: seq } : { duplicateOfIndex: sibling };
      return { accepted: true, status, ...which, ...(replaced.has(seq) && { replaces: true }), ahead: null };
    }
    if (source !== undefined) return { accepted: true, status, source, ahead: null };
    return { accepted: true, status, ...placed(told.get(seq)) };
  });
}

function placed({ place = null, explanation = null }: Partial<Told> = {}) {
  if (place === null) return { ahead: null, explanation };
  const { count, more, among } = place;
  return { ahead: count, ...(among !== "queue" && { among }), ...(more && { more }), explanation };
}
