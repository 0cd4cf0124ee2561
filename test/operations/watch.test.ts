/** Who watches a task is told when it stands otherwise than it was seen: soon, seldom enough, and never when it does not. */
import { expect, it } from "vitest";
import { seqAt } from "../../core/ids.ts";
import { markOfRecord } from "../../core/mark.ts";
import type { WatchAnswer, WatchRequest } from "../../core/schema/watch-rpc.ts";
import { drain } from "../../durable-objects/queue-shard/drain.ts";
import { watch } from "../../durable-objects/queue-shard/reads/watch.ts";
import { cancel } from "../../durable-objects/queue-shard/waiting/cancel.ts";
import { countSql } from "../support/node/count-sql.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, many, nth, succeeded, taskAt, WorkerHand } from "../support/node/worker-hand.ts";

type Told = Extract<WatchAnswer, { ok: true }>;

function watching(world: ShardWorld, seen: WatchRequest["seen"], waitMs = 10_000): Told[] {
  const answers: Told[] = [];
  watch(world.shard, { v: 1, seen, waitMs }, (answer) => {
    if (!answer.ok) throw new Error(answer.code);
    answers.push(answer);
  });
  return answers;
}

const statuses = ({ changed }: Told) => changed.map(({ task }) => task?.status ?? null);
const markAt = (world: ShardWorld, seq: Parameters<typeof taskAt>[1]) => {
  const task = taskAt(world, seq);
  return task && markOfRecord(task);
};

it("288 what was not seen yet is told at once, what is not here as null; what stands as it was seen, when its time is up", () => {
  const world = makeWorld();
  const seq = nth(accept(world, {}), 0);
  const first = watching(world, [
    [seq, null],
    [seqAt(1), null],
  ]);
  expect(first.map(statuses)).toEqual([["QUEUED", null]]);
  const second = watching(world, [[seq, markAt(world, seq)]], 5_000);
  world.passTo(world.now + 4_999);
  expect(second).toEqual([]);
  world.passTo(world.now + 1);
  expect(second).toMatchObject([{ changed: [], stopping: false }]);
  expect(world.shard.watchers.size).toBe(0);
});

it("288 each change of a task is told: begun, further, to be cancelled, ended", () => {
  const world = makeWorld();
  const seq = nth(accept(world, {}), 0);
  const told: string[] = [];
  const next = () => {
    const answers = watching(world, [[seq, markAt(world, seq)]]);
    return () => {
      world.passTo(world.now + 200);
      const task = answers[0]?.changed[0]?.task;
      told.push(`${task?.status} ${task?.progress ?? ""} ${task?.cancelRequested ?? ""}`.trim());
    };
  };
  const acts = [
    () => new WorkerHand(world, { want: 1 }),
    (hand: WorkerHand) => hand.say({ progress: [[seq, '{"percent":1}']] }),
    (hand: WorkerHand) => hand.say({ progress: [[seq, '{"percent":2}']] }),
    () => cancel(world.shard, { v: 1, seq }),
    (hand: WorkerHand) => hand.say({ outcomes: [succeeded(world, nth(hand.tasks, 0))] }),
  ] as const;
  let hear = next();
  const hand = acts[0]();
  hear();
  for (const act of acts.slice(1)) {
    hear = next();
    act(hand);
    hear();
  }
  expect(told).toEqual([
    "RUNNING",
    'RUNNING {"percent":1}',
    'RUNNING {"percent":2}',
    'RUNNING {"percent":2} true',
    "SUCCEEDED",
  ]);
});

it("288 an end is told at once, whole but for payload and result, to each that watches, and to nobody else", () => {
  const world = makeWorld();
  const seqs = accept(world, {}, {});
  const hand = new WorkerHand(world, { want: 2 });
  const seen = seqs.map((seq) => [seq, markAt(world, seq)] as const);
  const [both, first, second] = [
    watching(world, seen),
    watching(world, seen.slice(0, 1)),
    watching(world, seen.slice(1)),
  ];
  hand.say({ outcomes: [succeeded(world, nth(hand.tasks, 0), '"r"')] });
  expect([both, first].map((answers) => answers.map(statuses))).toEqual([[["SUCCEEDED"]], [["SUCCEEDED"]]]);
  expect(first[0]?.changed[0]?.task).toMatchObject({
    result: null,
    payload: "null",
    attempts: [{ outcome: "succeeded" }],
  });
  world.passTo(world.now + 1_000);
  expect([second, both.length]).toEqual([[], 1]);
  expect([...world.shard.watchersOf.keys()]).toEqual(seqs.slice(1));
});

it("288 while nobody watches nothing is looked at; with watchers, a thousand operations within 100 ms are one look", () => {
  const world = makeWorld({ depthLimit: 100_000 });
  const seq = nth(accept(world, {}), 0);
  const counts = countSql(world.shard.sql);
  accept(world, {});
  const plain = counts.reads;
  const mark = markAt(world, seq);
  const answers = watching(world, [[seq, mark]]);
  accept(world, {});
  world.passTo(world.now + 1);
  counts.reads = 0;
  for (let n = 0; n < 1_000; n++) accept(world, {});
  world.passTo(world.now + 100);
  expect(counts.reads - 1_000 * plain).toBe(1);
  expect(answers).toEqual([]);
});

it("288 a thousand tasks are one question; of a thousand that changed a hundred are told at a time", () => {
  const world = makeWorld({ depthLimit: 10_000 });
  const seqs = accept(world, ...many(1_000));
  const seen = seqs.map((seq) => [seq, null] as const);
  expect(watching(world, seen)[0]?.changed).toHaveLength(100);
  const known = seqs.map((seq) => [seq, markAt(world, seq)] as const);
  const answers = watching(world, known);
  const hand = new WorkerHand(world, { want: 1 });
  hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)) });
  world.passTo(world.now + 300);
  expect(answers.map(statuses)).toEqual([["SUCCEEDED"]]);
});

it("197 who watches when the service stops is sent away at once", () => {
  const world = makeWorld();
  const seq = nth(accept(world, {}), 0);
  const parked = watching(world, [[seq, markAt(world, seq)]]);
  drain(world.shard);
  const later = watching(world, [[seq, markAt(world, seq)]]);
  expect([...parked, ...later]).toMatchObject([
    { changed: [], stopping: true },
    { changed: [], stopping: true },
  ]);
});
