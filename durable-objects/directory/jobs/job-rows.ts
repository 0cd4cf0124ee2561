/** A job as rows: what it is told, how far each of the queue's shards is, and what is told of it. */
import type { QueueName } from "../../../core/ids.ts";
import type {
  BulkPlace,
  BulkRefusal,
  BulkWork,
  Job,
  JobDefinition,
  JobPart,
  JobStatus,
} from "../../../core/schema/bulk-rpc.ts";
import type { RateSetting } from "../../../core/schema/queue-settings.ts";
import type { Level } from "../../../core/token-bucket.ts";
import type { DirectoryState } from "../state.ts";

const JOB = `SELECT job.n, id, queue, generation, as_of, rate, level, status, failures, refusal, created_at, ended_at,
  work, ids FROM job JOIN job_work ON job = id`;
const FIND = `${JOB} WHERE id = ?`;
const LIST = `${JOB} WHERE ?1 IS NULL OR queue = ?1 ORDER BY n DESC`;
const COUNT_ACTIVE = "SELECT count(*) AS count FROM job WHERE status = 'active'";
const INSERT = `INSERT INTO job (id, queue, generation, as_of, rate, level, status, failures, refusal, created_at, ended_at)
  VALUES (?, ?, ?, ?, ?, NULL, 'active', '[]', NULL, ?, NULL)`;
const INSERT_WORK = "INSERT INTO job_work (job, work, ids) VALUES (?, ?, ?)";
const INSERT_PART = "INSERT INTO job_part (job, shard, try_at) VALUES (?, ?, ?)";
const PARTS = `SELECT job, shard, portion, after, up_to, matched, done, stopping, failed, ended, tries, try_at, refusal
  FROM job_part`;
const PARTS_OF = `${PARTS} WHERE job = ? ORDER BY shard`;
const DUE_PARTS = `${PARTS} WHERE try_at <= ? ORDER BY try_at, job, shard LIMIT ?`;
const FIND_PART = `${PARTS} WHERE job = ? AND shard = ?`;
const PUT_OFF = "UPDATE job_part SET try_at = ?3 WHERE job = ?1 AND shard = ?2 AND try_at IS NOT NULL";
const SAVE_PART = `UPDATE job_part SET portion = ?3, after = ?4, up_to = ?5, matched = ?6, done = ?7, stopping = ?8,
  failed = ?9, ended = ?10, tries = ?11, try_at = ?12, refusal = ?13 WHERE job = ?1 AND shard = ?2`;
const KEEP_LEVEL = "UPDATE job SET level = ?2 WHERE id = ?1";
const KEEP_FAILURES = "UPDATE job SET failures = ?2 WHERE id = ?1";
const END = "UPDATE job SET status = ?2, refusal = ?3, ended_at = ?4 WHERE id = ?1";
const STOP_PARTS = "UPDATE job_part SET try_at = NULL, refusal = NULL WHERE job = ?";
const PAST = `SELECT id FROM job WHERE status <> 'active' AND (ended_at < ?1
  OR n NOT IN (SELECT n FROM job WHERE status <> 'active' ORDER BY n DESC LIMIT ?2))`;
const FORGET = [
  "DELETE FROM job WHERE id = ?",
  "DELETE FROM job_work WHERE job = ?",
  "DELETE FROM job_part WHERE job = ?",
];

const MOST_FAILURES = 100;
const KEPT_JOBS = 100;
const KEPT_MS = 7 * 86_400_000;

interface JobRow {
  readonly id: string;
  readonly queue: QueueName;
  readonly generation: number;
  readonly as_of: number | null;
  readonly rate: string | null;
  readonly level: string | null;
  readonly status: "active" | "done" | "cancelled" | "failed";
  readonly failures: string;
  readonly refusal: string | null;
  readonly created_at: number;
  readonly ended_at: number | null;
  readonly work: string;
  readonly ids: string | null;
}

export interface PartRow {
  readonly job: string;
  readonly shard: number;
  /** Number of the next portion. */
  readonly portion: number;
  readonly after: string | null;
  readonly up_to: number | null;
  readonly matched: number | null;
  readonly done: number;
  readonly stopping: number;
  readonly failed: number;
  readonly ended: 0 | 1;
  /** Without progress, in a row. */
  readonly tries: number;
  readonly try_at: number | null;
  readonly refusal: string | null;
}

/** What is needed to work at a job. */
export interface OpenJob {
  readonly id: string;
  readonly queue: QueueName;
  /** Of the queue, when the job was made. */
  readonly generation: number;
  readonly status: JobRow["status"];
  readonly work: BulkWork;
  readonly ids: JobDefinition["ids"] | null;
  readonly asOf: number | null;
  readonly rate: RateSetting | null;
  readonly level: Level | null;
  readonly failures: Job["failures"];
}

/** Inside a transaction. */
export function insertJob(
  state: DirectoryState,
  id: string,
  { queue, work, ids, asOf, rate }: JobDefinition,
  generation: number,
  shards: readonly number[],
): void {
  const { sql, ports } = state;
  const now = ports.now();
  sql.run(INSERT, id, queue, generation, asOf, rate && JSON.stringify(rate), now);
  sql.run(INSERT_WORK, id, JSON.stringify(work), ids === undefined ? null : JSON.stringify(ids));
  for (const shard of shards) sql.run(INSERT_PART, id, shard, now);
}

export function findJob(state: DirectoryState, id: string): Job | null {
  const [row] = state.sql.all<JobRow>(FIND, id);
  return row ? toJob(state, row) : null;
}

/** The newest first. @param queue null: of all queues */
export function allJobs(state: DirectoryState, queue: QueueName | null): Job[] {
  return state.sql.all<JobRow>(LIST, queue).map((row) => toJob(state, row));
}

export function openJob(state: DirectoryState, id: string): OpenJob | null {
  const [row] = state.sql.all<JobRow>(FIND, id);
  if (!row) return null;
  const { queue, generation, status, as_of: asOf } = row;
  return {
    id,
    queue,
    generation,
    status,
    asOf,
    work: JSON.parse(row.work) as BulkWork,
    ids: parse(row.ids),
    rate: parse(row.rate),
    level: parse(row.level),
    failures: JSON.parse(row.failures) as Job["failures"],
  };
}

export function countActiveJobs(state: DirectoryState): number {
  return state.sql.all<{ count: number }>(COUNT_ACTIVE)[0]?.count ?? 0;
}

export function partsOf(state: DirectoryState, job: string): PartRow[] {
  return state.sql.all<PartRow>(PARTS_OF, job);
}

export function dueParts(state: DirectoryState, now: number, limit: number): PartRow[] {
  return state.sql.all<PartRow>(DUE_PARTS, now, limit);
}

export function findPart(state: DirectoryState, { job, shard }: Pick<PartRow, "job" | "shard">): PartRow | undefined {
  return state.sql.all<PartRow>(FIND_PART, job, shard)[0];
}

/** Inside a transaction. */
export function putOff(state: DirectoryState, { job, shard }: PartRow, until: number): void {
  state.sql.run(PUT_OFF, job, shard, until);
}

/** Inside a transaction. */
export function savePart(state: DirectoryState, part: PartRow): void {
  const { job, shard, portion, after, up_to: upTo, matched, done, stopping, failed, ended, tries, refusal } = part;
  const counts = [matched, done, stopping, failed, ended, tries] as const;
  state.sql.run(SAVE_PART, job, shard, portion, after, upTo, ...counts, part.try_at, refusal);
}

/** Inside a transaction. */
export function keepLevel(state: DirectoryState, job: string, level: Level): void {
  state.sql.run(KEEP_LEVEL, job, JSON.stringify(level));
}

/** The first hundred. Inside a transaction. */
export function keepFailures(state: DirectoryState, job: OpenJob, more: Job["failures"]): void {
  if (more.length === 0 || job.failures.length >= MOST_FAILURES) return;
  state.sql.run(KEEP_FAILURES, job.id, JSON.stringify([...job.failures, ...more].slice(0, MOST_FAILURES)));
}

/** Inside a transaction. Jobs that ended long ago are forgotten by it. */
export function endJob(
  state: DirectoryState,
  id: string,
  status: "done" | "cancelled" | "failed",
  refusal: BulkRefusal | null,
): void {
  const { sql, ports } = state;
  sql.run(END, id, status, refusal && JSON.stringify(refusal), ports.now());
  sql.run(STOP_PARTS, id);
  for (const past of sql.all<{ id: string }>(PAST, ports.now() - KEPT_MS, KEPT_JOBS))
    for (const statement of FORGET) sql.run(statement, past.id);
}

export function placeOf({ after }: PartRow): BulkPlace | null {
  return parse(after);
}

function toJob(state: DirectoryState, row: JobRow): Job {
  const parts = partsOf(state, row.id).map(toPart);
  const ids = parse<readonly string[]>(row.ids);
  return {
    id: row.id,
    queue: row.queue,
    work: JSON.parse(row.work) as BulkWork,
    ids: ids?.length ?? null,
    asOf: row.as_of,
    rate: parse(row.rate),
    status: statusOf(row, parts),
    parts,
    failures: JSON.parse(row.failures) as Job["failures"],
    refusal: parse(row.refusal),
    createdAt: row.created_at,
    endedAt: row.ended_at,
  };
}

function toPart({ shard, matched, done, stopping, failed, ended, refusal }: PartRow): JobPart {
  return { shard, matched, done, stopping, failed, ended: ended === 1, refusal: parse(refusal) };
}

/** It waits where none of its shards goes on. */
function statusOf({ status }: JobRow, parts: readonly JobPart[]): JobStatus {
  if (status !== "active") return status;
  return parts.every(({ ended, refusal }) => ended || refusal !== null) ? "waiting" : "running";
}

function parse<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T);
}
