/**
 * Works jobs off, a portion a shard at a time: taken up in the alarm's transaction, asked of the shard in the
 * background, written down with where it came to. A portion whose answer is lost is asked for again under its number,
 * and the shard tells what it told; one that was written down meanwhile is not written down twice. So counts are exact
 * over the loss of any call, or of this object. A shard that has no room, or is silent, is asked again ever more seldom.
 */

import { workAt } from "../../../core/bulk-work.ts";
import { countOf } from "../../../core/count-of.ts";
import { publicCode } from "../../../core/errors.ts";
import { taskId } from "../../../core/ids.ts";
import type { Answer } from "../../../core/schema/answer.ts";
import type { BulkPortion, BulkRefusal, BulkWork, CountBulkAnswer, JobFailure } from "../../../core/schema/bulk-rpc.ts";
import type { RateSetting } from "../../../core/schema/queue-settings.ts";
import { nextTokenAt, type Rate, takeTokens, tokensIn } from "../../../core/token-bucket.ts";
import { callWithin, fanOut } from "../../stubs.ts";
import { noteEvent } from "../note-event.ts";
import { write } from "../perform.ts";
import { addressOf, findQueue } from "../queues/queue-entry.ts";
import { type DirectoryState, done } from "../state.ts";
import { failJob } from "./fail-jobs.ts";
import {
  dueParts,
  endJob,
  findPart,
  keepFailures,
  keepLevel,
  type OpenJob,
  openJob,
  type PartRow,
  partsOf,
  placeOf,
  putOff,
  savePart,
} from "./job-rows.ts";

/** Tasks of a portion, as many as a shard does in one transaction. */
const PORTION = 1_000;
/** Portions that an alarm takes up. */
const MOST_PARTS = 32;
/** A count may look at every task of a shard. */
const ANSWER_WITHIN_MS = 5_000;
/** After the answer, or its loss: a portion is not on its way twice. */
const AGAIN_MS = ANSWER_WITHIN_MS + 1_000;
/** A portion at a rate brings what came in so long: each costs rows, however few its tasks are. */
const AT_RATE_EVERY_MS = 250;
const FIRST_BACKOFF_MS = 1_000;
const LAST_BACKOFF_MS = 10_000;

/** A portion that is to be asked for now. */
export interface DuePortion {
  readonly job: OpenJob;
  readonly part: PartRow;
  readonly work: BulkWork;
  readonly most: number;
}

/** What the alarm is to ask for; each is put off until its answer must have come. Inside a transaction. */
export function takeDuePortions(state: DirectoryState, now: number): DuePortion[] {
  const portions: DuePortion[] = [];
  const jobs = new Map<string, OpenJob>();
  for (const part of dueParts(state, now, MOST_PARTS)) {
    const job = jobs.get(part.job) ?? openJob(state, part.job);
    if (!job) continue;
    jobs.set(job.id, job);
    const entry = findQueue(state, job.queue);
    if (entry?.settings.generation !== job.generation) {
      failJob(state, job);
      continue;
    }
    // To count costs no token.
    const most = part.matched === null ? 0 : tokensOf(job, now);
    if (most === 0 && part.matched !== null) {
      putOff(state, part, nextPortionAt(job, now));
      continue;
    }
    putOff(state, part, now + AGAIN_MS);
    jobs.set(job.id, takeFrom(state, job, most, now));
    portions.push({ job, part, work: workAt(job.work, job.ids, { queue: job.queue, shard: part.shard }), most });
  }
  return portions;
}

/** Never rejects. */
export async function workJobs(state: DirectoryState, portions: readonly DuePortion[]): Promise<void> {
  await fanOut(portions, (portion) => askPortion(state, portion));
}

async function askPortion(state: DirectoryState, due: DuePortion): Promise<void> {
  const { job, part, work, most } = due;
  const { ports } = state;
  const shard = addressOf(state, job.queue, part.shard);
  const { asOf, generation } = job;
  if (part.matched === null || part.up_to === null) {
    const counted = await callWithin(ports, ANSWER_WITHIN_MS, () =>
      ports.shard(shard).countBulk({ v: 1, work, asOf, generation }),
    );
    write(state, () => done({ kept: keepCount(state, due, counted) }));
    return;
  }
  const upTo = part.up_to;
  const place = { job: job.id, portion: part.portion, generation, upTo, after: placeOf(part), most };
  const answer = await callWithin(ports, ANSWER_WITHIN_MS, () =>
    ports.shard(shard).bulk({ v: 1, work, asOf, ...place }),
  );
  write(state, () => done({ kept: keepPortion(state, due, answer) }));
}

/** Inside a transaction. */
function keepCount(state: DirectoryState, { part, work }: DuePortion, counted: CountBulkAnswer): void {
  const now = state.ports.now();
  const known = findPart(state, part);
  if (!known || known.matched !== null) return;
  if (!counted.ok) {
    keepRefusal(state, known, refusalOf(counted), now);
    return;
  }
  const { upTo } = counted;
  const matched = work.filter.seqs?.length ?? counted.matched;
  const next = { ...known, matched, up_to: upTo, tries: 0, refusal: null };
  savePart(state, { ...next, try_at: known.try_at === null ? null : now });
}

/** Inside a transaction. */
function keepPortion(state: DirectoryState, { job, part, most }: DuePortion, answer: Answer<BulkPortion>): void {
  const now = state.ports.now();
  const known = findPart(state, part);
  const found = openJob(state, job.id);
  // Somebody wrote it down already: it was asked for twice.
  if (!known || !found || known.portion !== part.portion || known.ended === 1) return;
  if (!answer.ok) {
    keepRefusal(state, known, refusalOf(answer), now);
    return;
  }
  const did = answer.done + answer.stopping + answer.failed;
  const current = takeFrom(state, found, Math.min(0, did - most), now);
  const counted = {
    ...known,
    portion: did > 0 ? known.portion + 1 : known.portion,
    after: answer.after && JSON.stringify(answer.after),
    done: known.done + answer.done,
    stopping: known.stopping + answer.stopping,
    failed: known.failed + answer.failed,
  };
  keepFailures(state, current, failuresOf(current, part.shard, answer));
  if (answer.refusal) {
    keepRefusal(state, did > 0 ? { ...counted, tries: 0 } : counted, answer.refusal, now);
    return;
  }
  const ended = answer.more ? 0 : 1;
  const goesOn = answer.more && current.status === "active";
  savePart(state, { ...counted, ended, tries: 0, refusal: null, try_at: goesOn ? nextPortionAt(current, now) : null });
  if (ended === 1 && current.status === "active") endIfAllDid(state, current);
}

function failuresOf({ queue }: OpenJob, shard: number, { failures }: BulkPortion): JobFailure[] {
  return failures.map(({ seq, ...failure }) => ({ id: taskId({ queue, shard }, seq), ...failure }));
}

/** It is tried again after 1, 2, 4 … 10 s, unless the job has ended meanwhile: then nothing holds it back any more. */
function keepRefusal(state: DirectoryState, part: PartRow, refusal: BulkRefusal, now: number): void {
  const backoff = Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(part.tries, 10));
  const tryAt = part.try_at === null ? null : now + backoff;
  const held = tryAt === null ? null : JSON.stringify(refusal);
  savePart(state, { ...part, tries: part.tries + 1, try_at: tryAt, refusal: held });
}

function refusalOf({ code, detail }: Extract<Answer<object>, { readonly ok: false }>): BulkRefusal {
  // Of what objects have between them alone as little is known as where there was no answer.
  return { code: publicCode(code), detail };
}

function endIfAllDid(state: DirectoryState, { id, queue, work }: OpenJob): void {
  const parts = partsOf(state, id);
  if (parts.some(({ ended }) => ended === 0)) return;
  endJob(state, id, "done", null);
  const sum = (field: "done" | "stopping" | "failed") => parts.reduce((total, part) => total + part[field], 0);
  const failed = sum("failed");
  const told = `${countOf(sum("done") + sum("stopping"), "task")}${failed > 0 ? `, ${failed} failed` : ""}`;
  noteEvent(state, "job-ended", `${work.action} in ${queue} (${id}): ${told}`, queue);
}

// ---------------------------------------------------------------------------------------------- the rate

/** Over any period at most `limit` and `burst`, which is no less than what a portion brings. */
function rateOf({ limit, periodMs, burst = 1 }: RateSetting): Rate {
  const inPortion = Math.ceil((limit * AT_RATE_EVERY_MS) / periodMs);
  return { limit, periodMs, burst: Math.min(limit, Math.max(burst, inPortion)) };
}

/** Tokens that the job's portions may take now. */
function tokensOf({ rate, level }: OpenJob, now: number): number {
  return rate ? Math.min(PORTION, tokensIn(level ?? undefined, rateOf(rate), now)) : PORTION;
}

/** When the job's next portion is worth asking for (Unix ms). */
function nextPortionAt(job: OpenJob, now: number): number {
  if (!job.rate || tokensOf(job, now) > 0) return now;
  return Math.max(nextTokenAt(job.level ?? undefined, rateOf(job.rate), now), now + AT_RATE_EVERY_MS);
}

/** Below zero: so many are put back. Inside a transaction. */
function takeFrom(state: DirectoryState, job: OpenJob, count: number, now: number): OpenJob {
  if (!job.rate || count === 0) return job;
  const level = takeTokens(job.level ?? undefined, rateOf(job.rate), now, count);
  keepLevel(state, job.id, level);
  return { ...job, level };
}
