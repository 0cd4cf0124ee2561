/** The live feed over a real shard on node:sqlite: what it asks, whom it tells, and what silence does to it. */
import { beforeEach, expect, it } from "vitest";
import { type QueueName, type seqAt, type TenantName, taskId } from "../../core/ids.ts";
import type { Ports } from "../../core/ports.ts";
import type { DirectoryRpc, QueueEntry } from "../../core/schema/directory-rpc.ts";
import { DEFAULT_SETTINGS } from "../../core/schema/queue-settings.ts";
import type { ShardRpc } from "../../core/schema/rpc.ts";
import type { WatchAnswer, WatchRequest } from "../../core/schema/watch-rpc.ts";
import { Feed, type FeedSocket } from "../../durable-objects/live-feed/feed.ts";
import { poll } from "../../durable-objects/live-feed/poll.ts";
import { readMessage } from "../../durable-objects/live-feed/read-message.ts";
import type { Attachment } from "../../durable-objects/live-feed/subscriptions.ts";
import { summarize } from "../../durable-objects/queue-shard/reads/summarize.ts";
import { watch } from "../../durable-objects/queue-shard/reads/watch.ts";
import { KnownQueues } from "../../reads/known-queues.ts";
import { NodeD1 } from "../support/node/d1.ts";
import { makeWorld, type ShardWorld } from "../support/node/shard-world.ts";
import { accept, many, nth, succeeded, WorkerHand } from "../support/node/worker-hand.ts";

const AT = { queue: "q" as QueueName, shard: 0 };
const TENANT = "default" as TenantName;
const LOST = "Network connection lost.";

let world: ShardWorld;
let d1: NodeD1;
let feed: Feed;
let calls: WatchRequest[];
let silent: Set<"shard" | "directory">;

beforeEach(() => {
  world = makeWorld({ depthLimit: 10_000 });
  d1 = new NodeD1();
  world.history = d1;
  calls = [];
  silent = new Set();
  feed = makeFeed();
});

function makeFeed(): Feed {
  const entry: QueueEntry = { queue: AT.queue, settings: DEFAULT_SETTINGS, createdAt: 0, shardsEver: 1 };
  const answerUnless = <T>(whom: "shard" | "directory", answer: () => T): Promise<T> =>
    silent.has(whom) ? Promise.reject(new Error(LOST)) : Promise.resolve(answer());
  const shard = {
    watch: (request) => {
      calls.push(request);
      return answerUnless("shard", () => {
        let answer: WatchAnswer | undefined;
        watch(world.shard, request, (given) => {
          answer = given;
        });
        if (!answer) throw new Error("a feed does not wait");
        return answer;
      });
    },
    summary: () => answerUnless("shard", () => ({ v: 1, ok: true, summary: summarize(world.shard) }) as const),
  } satisfies Partial<ShardRpc>;
  const directory = {
    lookup: ({ queue }) =>
      answerUnless("directory", () => {
        return { v: 1, ok: true, entry: queue === AT.queue ? entry : null, route: null, declared: false } as const;
      }),
  } satisfies Partial<DirectoryRpc>;
  const ports: Ports = {
    ...world.shard.ports,
    history: () => world.history,
    shard: () => shard as typeof shard & ShardRpc,
    directory: () => directory as typeof directory & DirectoryRpc,
  };
  return new Feed({ ports, log: () => {}, known: new KnownQueues(ports, TENANT, () => {}) }, TENANT, () => {});
}

class Socket implements FeedSocket {
  readonly told: { event: string; task?: { status: string }; code?: string; counts?: { depth: number } }[] = [];
  attachment: Attachment | null = null;

  constructor() {
    feed.join(this);
  }
  send(text: string): void {
    this.told.push(JSON.parse(text));
  }
  attached(): Attachment | null {
    return this.attachment;
  }
  attach(attachment: Attachment): boolean {
    this.attachment = attachment;
    return true;
  }
  say(message: object): Promise<void> {
    return feed.take(this, readMessage(JSON.stringify(message)));
  }
  /** What it was told since it was asked the last time, in short. */
  heard(): (string | number | undefined)[] {
    return this.told.splice(0).map(({ task, code, counts }) => task?.status ?? code ?? counts?.depth);
  }
}

const idsOf = (seqs: readonly ReturnType<typeof seqAt>[]) => seqs.map((seq) => taskId(AT, seq));

it("290 a thousand tasks of a shard are one call, also of many sockets, and one that changed is told to each that watches it", async () => {
  const ids = idsOf(accept(world, ...many(1_000)));
  const [one, other] = [new Socket(), new Socket()];
  await one.say({ subscribe: { ids } });
  await other.say({ subscribe: { ids: ids.slice(0, 500) } });
  await poll(feed, false);
  expect([one.heard().length, other.heard().length]).toEqual([1_000, 500]);
  calls.length = 0;
  await poll(feed, false);
  expect(calls.map(({ seen, waitMs }) => [seen.length, waitMs])).toEqual([[1_000, 0]]);
  new WorkerHand(world, { want: 1 });
  await poll(feed, false);
  expect([one.heard(), other.heard()]).toEqual([["RUNNING"], ["RUNNING"]]);
});

it("290 three thousand tasks of a shard are three calls", async () => {
  const ids = idsOf(accept(world, ...many(3_000)));
  for (const from of [0, 1_000, 2_000]) await new Socket().say({ subscribe: { ids: ids.slice(from, from + 1_000) } });
  await poll(feed, false);
  calls.length = 0;
  await poll(feed, false);
  expect(calls.map(({ seen }) => seen.length)).toEqual([1_000, 1_000, 1_000]);
});

it("290 who comes later is told what is known, with no call; what is new is looked at by itself", async () => {
  const [known, fresh] = idsOf(accept(world, {}, {}));
  await new Socket().say({ subscribe: { ids: [known] } });
  await poll(feed, true);
  calls.length = 0;
  const later = new Socket();
  await later.say({ subscribe: { ids: [known] } });
  expect([later.heard(), calls]).toEqual([["QUEUED"], []]);
  await later.say({ subscribe: { ids: [fresh] } });
  await poll(feed, true);
  expect([later.heard(), calls.map(({ seen }) => seen.length)]).toEqual([["QUEUED"], [1]]);
});

it("289 a task that ended is told once: from the shard, or from D1, once that answers; nothing of it is left", async () => {
  const seqs = accept(world, {}, {});
  const socket = new Socket();
  await socket.say({ subscribe: { ids: idsOf(seqs) } });
  await poll(feed, false);
  const hand = new WorkerHand(world, { want: 2 });
  hand.say({ outcomes: [succeeded(world, nth(hand.tasks, 0))] });
  await poll(feed, false);
  expect(socket.heard()).toEqual(["QUEUED", "QUEUED", "SUCCEEDED", "RUNNING"]);
  hand.say({ outcomes: hand.tasks.map((task) => succeeded(world, task)) });
  world.passTo(world.now + 200);
  await Promise.all(world.background);
  d1.fault = () => {
    throw new Error(LOST);
  };
  await poll(feed, false);
  expect([socket.heard(), feed.isWatched]).toEqual([[], true]);
  d1.fault = () => {};
  await poll(feed, false);
  await poll(feed, false);
  expect([socket.heard(), feed.isWatched, socket.attachment?.tasks.size]).toEqual([["SUCCEEDED"], false, 0]);
});

it("289 a shard or a Directory that is silent is no news; what could not be subscribed is told", async () => {
  const ids = idsOf(accept(world, {}));
  const socket = new Socket();
  silent.add("directory");
  await socket.say({ subscribe: { ids: [...ids, ...ids], queue: "q" } });
  expect(socket.heard()).toEqual(["unavailable", "unavailable", "unavailable"]);
  silent.clear();
  await socket.say({ subscribe: { ids, queue: "q" } });
  silent.add("shard");
  await poll(feed, false);
  // A queue is told with what shards did answer, at first; a task is not told before its shard tells.
  expect(socket.heard()).toEqual([0]);
  silent.clear();
  await poll(feed, false);
  expect(socket.heard().sort()).toEqual([1, "QUEUED"]);
  silent.add("shard");
  await poll(feed, false);
  silent.clear();
  await poll(feed, false);
  expect(socket.heard()).toEqual([]);
});

it("289 unsubscribed, or gone: nothing is told and nobody is asked any more", async () => {
  const ids = idsOf(accept(world, {}, {}));
  const [one, gone] = [new Socket(), new Socket()];
  await one.say({ subscribe: { ids, queue: "q" } });
  await gone.say({ subscribe: { ids } });
  await poll(feed, false);
  await one.say({ unsubscribe: { ids: ids.slice(0, 1), queue: "q" } });
  feed.leave(gone);
  calls.length = 0;
  await poll(feed, false);
  expect([calls.map(({ seen }) => seen.length), feed.queues.size]).toEqual([[1], 0]);
  await one.say({ unsubscribe: { ids } });
  expect([feed.isWatched, one.attachment]).toEqual([false, { v: 1, tasks: new Map(), queues: [] }]);
});

it("290 a feed that lost its memory knows from its sockets what they watch", async () => {
  const ids = idsOf(accept(world, {}, {}));
  const socket = new Socket();
  await socket.say({ subscribe: { ids, queue: "q" } });
  feed = makeFeed();
  const again = new Socket();
  again.attachment = socket.attachment;
  feed.join(again);
  await poll(feed, false);
  expect(again.heard().sort()).toEqual([2, "QUEUED", "QUEUED"]);
});
