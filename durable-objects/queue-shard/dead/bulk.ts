/**
 * A job's portion: one thing done to the next so many tasks that a filter means, and how far that came. The answer is
 * kept in the transaction that did it, so a portion that is asked for again, because its answer was lost, is told the
 * same and does nothing: the job counts each task once. A portion that did nothing keeps nothing.
 */
import type { Answer } from "../../../core/schema/answer.ts";
import type { BulkPortion, BulkRequest, CountBulkAnswer, CountBulkRequest } from "../../../core/schema/bulk-rpc.ts";
import { afterOperation } from "../after.ts";
import { tellWaiters } from "../reads/wait.ts";
import { refuse, type Shard } from "../shard.ts";
import { tellToStop } from "../waiting/ask-to-stop.ts";
import { cancelPortion, countLive } from "./bulk-cancel.ts";
import { deadPortion, newestEnd } from "./bulk-dead.ts";
import { NOTHING_LEFT } from "./bulk-portion.ts";
import { boundOf, forgetBulk, keepBound } from "./count-bounds.ts";
import { countDead } from "./dead-letters.ts";

const FIND = "SELECT portion, answer FROM bulk WHERE job = ?";
const KEEP = `INSERT INTO bulk (job, portion, answer, at) VALUES (?1, ?2, ?3, ?4)
  ON CONFLICT (job) DO UPDATE SET portion = ?2, answer = ?3, at = ?4`;

/** A transaction of so many takes about 20 ms. */
export const MOST_BULK = 1_000;

/** Changes no task; but what is submitted, or dies, from now on is none of what was counted. */
export function countBulk(shard: Shard, request: CountBulkRequest): CountBulkAnswer {
  const { work, asOf, isDryRun, generation = 0 } = request;
  const { memory } = shard;
  if (!memory.settings || memory.settings.generation < generation) return { v: 1, ok: true, matched: 0, upTo: 0 };
  if (work.action === "cancel") {
    const upTo = isDryRun && asOf !== null ? keepBound(shard, asOf) : boundOf(shard, asOf);
    return { v: 1, ok: true, matched: countLive(shard, work.filter, asOf, upTo), upTo };
  }
  const upTo = asOf ?? Math.max(shard.ports.now(), newestEnd(shard));
  return { v: 1, ok: true, matched: countDead(shard, work.filter, upTo), upTo };
}

export function bulk(shard: Shard, request: BulkRequest): Answer<BulkPortion> {
  const { job, portion, work, generation } = request;
  const held = shard.memory.settings;
  if (!held || held.generation < generation) return { v: 1, ok: true, ...NOTHING_LEFT };
  if (held.generation > generation) return refuse("queue-unknown", "the queue of the job was deleted");
  const [kept] = shard.sql.all<{ portion: number; answer: string }>(FIND, job);
  if (kept?.portion === portion) return { v: 1, ok: true, ...(JSON.parse(kept.answer) as BulkPortion) };
  if (kept && kept.portion > portion) return refuse("stale-turn", `portion ${kept.portion} of the job was asked for`);
  const now = shard.ports.now();
  const most = Math.min(MOST_BULK, request.most);
  const {
    portion: answer,
    ended,
    asked,
  } = shard.transact(() => {
    const did =
      work.action === "cancel"
        ? cancelPortion(shard, work.filter, { ...request, most }, now)
        : deadPortion(shard, work, { ...request, most }, now);
    const { done, stopping, failed } = did.portion;
    if (done + stopping + failed > 0) {
      forgetBulk(shard, now);
      shard.sql.run(KEEP, job, portion, JSON.stringify(did.portion), now);
    }
    return did;
  });
  tellWaiters(shard, ended);
  for (const session of asked) tellToStop(shard, session);
  afterOperation(shard, now);
  return { v: 1, ok: true, ...answer };
}
