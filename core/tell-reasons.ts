/** The reasons that more than one question is answered with, each with its sentence. Pure. */

import { assertNever } from "./assert-never.ts";
import { countOf } from "./count-of.ts";
import type { Reason, Share } from "./explain-reasons.ts";
import type { QueueName } from "./ids.ts";
import type { Standing } from "./limits.ts";
import { iso } from "./task.ts";

export function tellPaused(queue: QueueName): Reason {
  return { code: "paused", detail: `The queue is paused. POST /queues/${queue}/resume ends that.` };
}

export function tellStopping(): Reason {
  return { code: "stopping", detail: "This service is being stopped. It goes on when it is started again." };
}

/** @param known as `WaitingFacts.knownVersion` */
export function tellNoWorker(type: string, version: number, known: number): Reason {
  const lacks =
    known < 0
      ? `No worker that came lately has the type ${type}`
      : `Workers that came lately have ${type} up to version ${known}, and this is version ${version}`;
  return { code: "no-worker", detail: `${lacks}.`, type, version, known: known < 0 ? null : known };
}

export function tellNoFreeSlot(sessions: number, maxSessions: number, slots: number): Reason {
  const here = `${sessions} of at most ${countOf(maxSessions, "worker is", "workers are")} here`;
  const detail = `${here}, and none of them has a free slot for it.`;
  return { code: "no-free-slot", detail, sessions, maxSessions, slots };
}

/** @param crashes of one task; of several it is left out */
export function tellSolo(isBusy: boolean, crashes?: number): Reason {
  const why = `It crashed ${crashes === undefined ? "in company" : countOf(crashes, "time")}, so it runs alone`;
  const detail = isBusy ? `${why}, and another that must does so now.` : `${why}.`;
  return { code: "solo", detail, isBusy, ...(crashes !== undefined && { crashes }) };
}

/** Whose limit it is. */
export type Whose =
  | { readonly of: "queue" }
  | { readonly of: "type"; readonly type: string }
  | { readonly of: "key"; readonly limitKey: string };

/** Whether so many that go first leave no room. */
export function isFull(running: number, limit: number | null, first: number): limit is number {
  return limit !== null && running + first >= limit;
}

/**
 * @param more whether more than `first` go first
 * @param share where the limit is divided among shards
 */
export function tellFull(
  whose: Whose,
  { running, limit, share = null }: { running: number; limit: number; share?: Share | null | undefined },
  first: number,
  more = false,
): Reason {
  const others = first === 0 ? "" : `, and ${more ? "more than " : ""}${countOf(first, "more goes", "more go")} first`;
  const runs = countOf(running, "runs", "run");
  const may = share ? `${shareOf(whose, share)} is ${limit} at once` : `${nameOf(whose)} may run ${limit} at once`;
  const told = { detail: `${may}: ${runs}${others}.`, running, limit, ...(share && { share }) };
  switch (whose.of) {
    case "queue":
      return { code: "queue-concurrency", ...told };
    case "type":
      return { code: "type-concurrency", type: whose.type, ...told };
    case "key":
      return { code: "key-concurrency", limitKey: whose.limitKey, ...told };
    default:
      return assertNever(whose);
  }
}

/** When the token comes that is one's own after so many that go first (Unix ms); null: there is enough. */
export function tokenTime(standing: Standing, first: number): number | null {
  return standing.tokens > first ? null : standing.tokenAt(first);
}

/** @param at as {@link tokenTime} */
export function tellSpent(whose: Whose, standing: Standing, first: number, at: number): Reason {
  const { limit = 0, periodMs = 0, burst = 0 } = standing.rate ?? {};
  const turn =
    first === 0
      ? "the next token comes"
      : `after the ${countOf(first, "that goes", "that go")} first, the next token comes`;
  const share = standing.share?.rate;
  const may = share ? `${shareOf(whose, share)} is ${limit}` : `${nameOf(whose)} may start ${limit}`;
  const detail = `${may} in ${periodMs} ms; ${turn} at ${iso(at)}.`;
  const told = {
    detail,
    ...(share && { share }),
    limit,
    periodMs,
    burst,
    nextTokenAt: iso(standing.tokenAt(0)),
    ownTokenAt: iso(at),
  };
  switch (whose.of) {
    case "queue":
      return { code: "queue-rate", ...told };
    case "type":
      return { code: "type-rate", type: whose.type, ...told };
    case "key":
      return { code: "key-rate", limitKey: whose.limitKey, ...told };
    default:
      return assertNever(whose);
  }
}

function nameOf(whose: Whose): string {
  switch (whose.of) {
    case "queue":
      return "The queue";
    case "type":
      return `The type ${whose.type}`;
    case "key":
      return `The limitKey ${whose.limitKey}`;
    default:
      return assertNever(whose);
  }
}

/** How it is called what shards have of a limit. */
function shareOf(whose: Whose, { of, shards, told }: Share): string {
  const name = nameOf(whose);
  const whole = `${name.charAt(0).toLowerCase()}${name.slice(1)}'s ${of}`;
  return told === 1
    ? `This shard's share of ${whole} (${shards} shards)`
    : `The share of ${told} of ${shards} shards in ${whole}`;
}
