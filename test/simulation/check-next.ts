/**
 * What a shard tells of its order, asked after a step: the tasks that are next are those that the model of check-claim
 * would start, an explanation tells of each of them what the list does, and to ask writes nothing.
 */
import type { Seq } from "../../core/ids.ts";
import type { NewTask } from "../../core/schema/rpc.ts";
import { explain } from "../../durable-objects/queue-shard/reads/explain.ts";
import { knownVersion } from "../../durable-objects/queue-shard/reads/foresee.ts";
import { next } from "../../durable-objects/queue-shard/reads/next.ts";
import type { Shard } from "../../durable-objects/queue-shard/shard.ts";
import { trySubmit } from "../../durable-objects/queue-shard/submit/try-submit.ts";
import type { Sql } from "../../durable-objects/sql/sql.ts";
import { bestFor, Choice, Room } from "./check-claim.ts";
import { TYPES } from "./handlers.ts";
import type { Host } from "./host.ts";
import { must } from "./violation.ts";

const TOLD = 6;
const ROWS = "SELECT seq, status FROM task ORDER BY seq DESC LIMIT 3";

export function checkNext(host: Host, shard: Shard, sql: Sql, hasSteppedClock: boolean): void {
  const before = host.sql.writes;
  const answer = next(shard, { v: 1, n: TOLD });
  must(answer.ok, () => "what is next was refused");
  const told = answer.tasks.map(({ seq }) => seq);
  const best = hasSteppedClock ? null : bestNext(shard, sql);
  if (best) must(told.join() === best.join(), () => `next are ${told.join(" ")}, the best were ${best.join(" ")}`);
  for (const [i, seq] of told.entries()) {
    const ahead = aheadOf(shard, seq);
    must(ahead === i, () => `task ${seq} is number ${i} of what is next, but told to have ${ahead} before it`);
  }
  if (shard.memory.hasTables)
    for (const { seq, status } of sql.all<{ seq: Seq; status: string }>(ROWS)) {
      const told = explain(shard, { v: 1, seq });
      must(told.ok && told.explanation?.status === status, () => `task ${seq} is ${status} and explained otherwise`);
    }
  checkTry(shard);
  must(host.sql.writes === before, () => "to look ahead wrote something");
}

const NEW: NewTask = { type: "quick", version: 1, priority: 1, payload: "null", runAt: null, options: null };

/** A submission that is only tried waits at its place among those that wait, and leaves nothing behind. */
function checkTry(shard: Shard): void {
  const { lanes, lastSeq, settings } = shard.memory;
  if (!settings) return;
  const { queued, size } = lanes;
  const request = { v: 1, settingsVersion: settings.version, atomic: true, tasks: [NEW] } as const;
  const answer = trySubmit(shard, request);
  const expected = answer.ok || ["queue-full", "batch-too-large", "draining", "queue-unknown"].includes(answer.code);
  must(expected, () => `a submission was tried and answered ${JSON.stringify(answer)}`);
  const [task] = answer.ok ? answer.tasks : [];
  must(!task?.accepted || task.ahead === null || task.ahead <= queued, () => `more go first than wait: ${queued}`);
  must(lanes.queued === queued && lanes.size === size, () => "a submission that was only tried is in a lane");
  must(shard.memory.lastSeq === lastSeq, () => "a submission that was only tried took an id");
}

/** Where the model knows: whose turn it is it does not, nor how those that run alone go among the others. */
function bestNext(shard: Shard, sql: Sql): Seq[] | null {
  const { memory } = shard;
  const { lanes, levels, settings } = memory;
  if (!settings || settings.fair || lanes.solo > 0) return null;
  const types = Object.fromEntries(TYPES.map((type) => [type, knownVersion(memory, type)]));
  const worker = { name: "all", kind: "consumer", types, boot: null } as const;
  const session = { slots: Number.POSITIVE_INFINITY, claims: new Map(), solo: false, worker };
  const room = new Room({ ...settings, rate: null }, sql, levels, shard.ports.now());
  return bestFor(new Choice(session, room, sql), TOLD);
}

function aheadOf(shard: Shard, seq: Seq): number {
  const answer = explain(shard, { v: 1, seq });
  if (!answer.ok || answer.explanation === null || !("reasons" in answer.explanation)) return -1;
  const ahead = answer.explanation.reasons.find(({ code }) => code === "ahead");
  if (ahead === undefined) return 0;
  return ahead.code === "ahead" && ahead.among === "queue" ? ahead.count : -1;
}
