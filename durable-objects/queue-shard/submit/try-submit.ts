/**
 * What would become of a submission: admitted as `submit` admits it, and then left. Must stay true: nothing is written,
 * no memory is changed, and an object without tables stays without.
 */
import { MOST_AHEAD } from "../../../core/foresee.ts";
import type { Seq } from "../../../core/ids.ts";
import { unpackTasks } from "../../../core/pack-tasks.ts";
import type { TriedTask, TryAnswer } from "../../../core/schema/explain-rpc.ts";
import type { QueueSettings } from "../../../core/schema/queue-settings.ts";
import type { NewTask, PackedSubmitRequest } from "../../../core/schema/rpc.ts";
import { type Accepted, acceptedTasks, bornAs } from "../../../core/submit-answer.ts";
import { isAnotherQueue } from "../configure.ts";
import { explainWait } from "../reads/explain.ts";
import { foresee, type Looked } from "../reads/foresee.ts";
import { refuse, type Shard } from "../shard.ts";
import { Admission } from "./admission.ts";
import { laneKeyFor } from "./insert-tasks.ts";

type Others = NonNullable<Looked["others"]>;

export function trySubmit(shard: Shard, packed: PackedSubmitRequest): TryAnswer {
  const now = shard.ports.now();
  if (packed.settings && isAnotherQueue(shard, packed.settings))
    return refuse("unavailable", "the shard has yet to forget a deleted queue of that name", 2_000);
  const request = { ...packed, tasks: unpackTasks(packed.tasks) };
  const admission = new Admission(shard, now, [{ request }], true);
  const answer = admission.admit(request);
  if (!answer.ok) return answer;
  const settings = admission.newSettings ?? shard.memory.settings;
  const others = admission.planned.filter(({ task }) => bornAs(task, now) === "QUEUED");
  const places = settings ? placesOf(shard, settings, others, now) : new Map();
  const tasks = triedTasks(request.tasks, answer, admission, places);
  const [only] = admission.planned;
  const isOne = request.tasks.length === 1 && only !== undefined && settings !== null;
  const explanation = isOne ? explainNew(shard, settings, only, others, now) : null;
  return { v: 1, ok: true, tasks, replayed: answer.replayed === true, explanation };
}

function triedTasks(
  tasks: readonly NewTask[],
  answer: Accepted,
  { replaced }: Admission,
  places: ReadonlyMap<Seq, number>,
): TriedTask[] {
  const refused = new Map(answer.refused.map(({ index, ...refusal }) => [index, refusal]));
  return acceptedTasks(tasks, answer).map((task, index): TriedTask => {
    const refusal = refused.get(index);
    if (task === null)
      return { accepted: false, refusal: refusal ?? { code: "internal", detail: "neither taken nor refused" } };
    const { seq, status, source, duplicate } = task;
    const isKnown = duplicate || answer.replayed === true;
    return {
      accepted: true,
      status,
      ...(isKnown && { duplicateOf: seq }),
      ...(isKnown && replaced.has(seq) && { replaces: true }),
      ...(source !== undefined && { source }),
      ahead: isKnown ? null : (places.get(seq) ?? null),
    };
  });
}

/** How many tasks start before each of those, of those that come to start as limits stand. */
function placesOf(shard: Shard, settings: QueueSettings, others: Others, now: number): Map<Seq, number> {
  const places = new Map<Seq, number>();
  const wanted = new Set(others.map(({ seq }) => seq));
  if (wanted.size === 0) return places;
  const foresight = foresee(shard, settings, now, { others });
  for (let count = 0; count <= MOST_AHEAD && places.size < wanted.size; count++) {
    const next = foresight.next();
    if (next === null) break;
    if (wanted.has(next.seq)) places.set(next.seq, count);
  }
  return places;
}

function explainNew(shard: Shard, settings: QueueSettings, { seq, task }: Others[number], others: Others, now: number) {
  const { type, version, priority, runAt, expiresAt = null } = task;
  const { mode, limitKey, fairnessKey } = laneKeyFor(task);
  const spared = { spent: 0, crashes: 0, error: null };
  const status = bornAs(task, now);
  const waiting = { seq, type, version, priority, limitKey, fairnessKey, mode, runAt, expiresAt, status, ...spared };
  return explainWait(shard, settings, waiting, now, others);
}
