/**
 * What the shards of a queue say is next, as one list. Each shard starts its own by itself, so over several the list is a
 * likely order and no promise: by priority (as age raises it), then by age, every shard's own order kept. Pure.
 */
import type { Reason, Share } from "./explain-reasons.ts";
import type { HeldBack, NextAnswerOf, NextTask } from "./schema/explain-rpc.ts";
import { tellFull } from "./tell-reasons.ts";

export interface ShardNext {
  readonly shard: number;
  readonly answer: NextAnswerOf;
}

export interface QueueNext extends Omit<NextAnswerOf, "tasks"> {
  readonly tasks: readonly (NextTask & { readonly shard: number })[];
  /** Whether the list is the order: no two of the shards have tasks that wait. */
  readonly isExact: boolean;
}

/** @param n how many of the tasks are wanted */
export function mergeNext(answers: readonly ShardNext[], n: number): QueueNext {
  const tasks: (NextTask & { readonly shard: number })[] = [];
  const left = answers.map(({ shard, answer }) => ({ shard, tasks: answer.tasks, at: 0 }));
  while (tasks.length < n) {
    let best: { readonly from: (typeof left)[number]; readonly task: NextTask } | null = null;
    for (const from of left) {
      const task = from.tasks[from.at];
      if (task && (best === null || isBefore(task, best.task))) best = { from, task };
    }
    if (best === null) break;
    best.from.at++;
    tasks.push({ ...best.task, shard: best.from.shard });
  }
  const sum = (of: (answer: NextAnswerOf) => number) => answers.reduce((total, { answer }) => total + of(answer), 0);
  const dues = answers.map(({ answer }) => answer.nextDueAt).filter((at) => at !== null);
  return {
    tasks,
    mayStart: Math.min(
      tasks.length,
      sum(({ mayStart }) => mayStart),
    ),
    heldBack: mergeHeld(answers.flatMap(({ answer }) => answer.heldBack)),
    heldByOthers: sum(({ heldByOthers }) => heldByOthers),
    queued: sum(({ queued }) => queued),
    notDue: sum(({ notDue }) => notDue),
    nextDueAt: dues.length === 0 ? null : Math.min(...dues),
    blocked: sum(({ blocked = 0 }) => blocked),
    isExact: answers.filter(({ answer }) => answer.queued > 0).length < 2,
  };
}

function isBefore(a: NextTask, b: NextTask): boolean {
  return a.rank > b.rank || (a.rank === b.rank && a.createdAt < b.createdAt);
}

/** Reasons of the same kind and of the same type or limitKey are one: each shard has its share of it. */
function mergeHeld(held: readonly HeldBack[]): HeldBack[] {
  const byName = new Map<string, HeldBack>();
  for (const { reason, count } of held) {
    const name = nameOf(reason);
    const known = byName.get(name);
    byName.set(name, known ? { reason: join(known.reason, reason), count: known.count + count } : { reason, count });
  }
  return [...byName.values()];
}

function nameOf(reason: Reason): string {
  const { code } = reason;
  const type = "type" in reason ? reason.type : "";
  const rest = "limitKey" in reason ? reason.limitKey : "version" in reason ? reason.version : "";
  return JSON.stringify([code, type, rest]);
}

/** Shares of a limit are one limit again; of two shards' tokens the first that comes. */
function join(a: Reason, b: Reason): Reason {
  if ("running" in a && "running" in b) {
    const running = a.running + b.running;
    const limit = a.limit + b.limit;
    const full = { running, limit, share: joinShares(a.share, b.share) };
    if (a.code === "queue-concurrency") return tellFull({ of: "queue" }, full, 0);
    if (a.code === "type-concurrency") return tellFull({ of: "type", type: a.type }, full, 0);
  }
  return "nextTokenAt" in a && "nextTokenAt" in b && b.nextTokenAt < a.nextTokenAt ? b : a;
}

/** Null where it is the whole again. */
function joinShares(a: Share | undefined, b: Share | undefined): Share | null {
  if (!a || !b) return null;
  const told = a.told + b.told;
  return told >= a.shards ? null : { ...a, told };
}
