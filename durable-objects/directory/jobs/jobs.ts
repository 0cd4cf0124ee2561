/** Jobs over many tasks of a queue: begun, looked at, cancelled. The alarm works them off (work-jobs.ts). */
import { noSuchQueue } from "../../../core/errors.ts";
import { parseTaskId, type QueueName } from "../../../core/ids.ts";
import type { Answer, Keyed, Refusal, Replayed } from "../../../core/schema/answer.ts";
import type { Job, JobDefinition } from "../../../core/schema/bulk-rpc.ts";
import { read, write } from "../perform.ts";
import { findQueue } from "../queues/queue-entry.ts";
import { type DirectoryState, done, refuse } from "../state.ts";
import { writeOnce } from "../write-once.ts";
import { allJobs, countActiveJobs, endJob, findJob, insertJob } from "./job-rows.ts";

const MOST_ACTIVE = 32;

type JobAnswer = Answer<{ readonly job: Job }>;

export async function startJob(
  state: DirectoryState,
  request: Keyed & { readonly definition: JobDefinition },
): Promise<Answer<{ readonly job: Job } & Replayed>> {
  const { definition } = request;
  return writeOnce(state, request, `queue:${definition.queue}`, () => {
    const entry = findQueue(state, definition.queue);
    if (!entry) return refuse("queue-unknown", noSuchQueue(definition.queue), { pointer: "/queue" });
    if (countActiveJobs(state) >= MOST_ACTIVE)
      return refuse("too-many-jobs", `${MOST_ACTIVE} jobs are under way; each ends, or can be cancelled.`);
    const every = Array.from({ length: entry.shardsEver }, (_, shard) => shard);
    const named = definition.ids && new Set(definition.ids.map((id) => parseTaskId(id)?.shard));
    const shards = named ? every.filter((shard) => named.has(shard)) : every;
    const id = state.ports.uuid();
    insertJob(state, id, definition, entry.settings.generation, shards);
    if (shards.length === 0) endJob(state, id, "done", null);
    return answer(state, id);
  });
}

export async function getJob(state: DirectoryState, { id }: { readonly id: string }): Promise<JobAnswer> {
  return read<{ readonly job: Job }>(state, unknown(id), () => answer(state, id));
}

export async function listJobs(
  state: DirectoryState,
  { queue = null }: { readonly queue?: QueueName | null },
): Promise<Answer<{ readonly jobs: readonly Job[] }>> {
  return read(state, done({ jobs: [] }), () => done({ jobs: allJobs(state, queue) }));
}

export async function cancelJob(state: DirectoryState, { id }: { readonly id: string }): Promise<JobAnswer> {
  return write(state, () => {
    const job = findJob(state, id);
    if (job && job.endedAt === null) endJob(state, id, "cancelled", null);
    return answer(state, id);
  });
}

function answer(state: DirectoryState, id: string): JobAnswer {
  const job = findJob(state, id);
  return job ? done({ job }) : unknown(id);
}

function unknown(id: string): Refusal {
  return refuse("job-unknown", `There is no job ${id}; those that ended are kept for seven days, a hundred at most.`);
}
