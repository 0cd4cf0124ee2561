/** What a redrive would do, and nothing is done: how many dead letters its edit does not fit, or what one would become. */
import { filterAt } from "../../core/bulk-work.ts";
import { type Seq, type ShardAddress, type TaskId, taskId } from "../../core/ids.ts";
import { failureOf, mayFail, timeOfEdit } from "../../core/redrive-task.ts";
import type { BulkWork, JobFailure } from "../../core/schema/bulk-rpc.ts";
import type { DeadPlace, RedriveEdit } from "../../core/schema/dead-letters-rpc.ts";
import { bornAs } from "../../core/submit-answer.ts";
import { iso } from "../../core/task.ts";
import { deadlineOf, giveWay } from "../../reads/ask.ts";
import type { Door } from "../door.ts";
import { faultProblem, problemView } from "../middleware/problems.ts";
import { askEach } from "./ask-shards.ts";

/** As many as a job tells. */
const MOST_TOLD = 100;

/** What of an edit may not fit is tried on as many as a request has time for: of those, the oldest, that is told. */
export async function tryRedriveMany(
  door: Door,
  at: readonly ShardAddress[],
  work: Extract<BulkWork, { readonly action: "redrive" }>,
  {
    ids,
    asOf,
    matched,
  }: { readonly ids: readonly TaskId[] | undefined; readonly asOf: number; readonly matched: number },
) {
  const { edit } = work;
  if (edit === undefined || !mayFail(edit)) return { wouldFail: 0, tried: matched, failures: [] };
  const deadline = deadlineOf(door.ports);
  const places = new Map<number, DeadPlace>();
  const failures: JobFailure[] = [];
  let shards = at;
  let tried = 0;
  let wouldFail = 0;
  for (;;) {
    const answers = await askEach(door, shards, (shard, one) => {
      const after = places.get(one.shard);
      return shard.tryRedrive({ v: 1, filter: filterAt(work.filter, ids, one), edit, asOf, ...(after && { after }) });
    });
    for (const { at: one, answer } of answers) {
      tried += answer.tried;
      wouldFail += answer.failed;
      for (const unfit of answer.failures.slice(0, MOST_TOLD - failures.length)) {
        const { seq, ...failure } = failureOf(unfit);
        failures.push({ id: taskId(one, seq), ...failure });
      }
      if (answer.after) places.set(one.shard, answer.after);
    }
    shards = answers.filter(({ answer }) => answer.more).map(({ at: one }) => one);
    if (shards.length === 0 || door.ports.now() >= deadline) return { wouldFail, tried, failures };
    await giveWay(door.ports);
  }
}

/** null: it is no dead letter. @throws Problem where its edit does not fit, as the redrive does */
export async function tryRedriveOne(door: Door, at: ShardAddress, seq: Seq, edit: RedriveEdit): Promise<object | null> {
  const asOf = Number.MAX_SAFE_INTEGER;
  const [{ answer } = { answer: null }] = await askEach(door, [at], (shard) =>
    shard.tryRedrive({ v: 1, filter: { seq }, edit, asOf }),
  );
  if (!answer || answer.tried === 0) return null;
  const [unfit] = answer.failures;
  if (unfit) throw faultProblem(unfit.fault);
  const { refusal } = answer;
  const about = {
    dryRun: true,
    accepted: refusal === null,
    queue: at.queue,
    shard: at.shard,
    replayOf: taskId(at, seq),
  };
  if (refusal) return { ...about, problem: problemView(refusal.code, refusal.detail) };
  const now = door.ports.now();
  const runAt = timeOfEdit(edit, now);
  return { ...about, status: bornAs({ runAt }, now), ...(runAt !== null && { runAt: iso(runAt) }) };
}
