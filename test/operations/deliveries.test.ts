/** Deliveries: tried by the policy, at least once, none held up by another; read, sent again, forgotten. */
import { describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../../core/schema/queue-settings.ts";
import type { WebhookMessage } from "../../core/webhook-message.ts";
import { configure } from "../../durable-objects/queue-shard/configure.ts";
import { listDeliveries, pingWebhook, redeliver } from "../../durable-objects/queue-shard/ended/deliveries.ts";
import { erase } from "../../durable-objects/queue-shard/ended/erase.ts";
import { KEEP_DONE } from "../../durable-objects/queue-shard/ended/forget-deliveries.ts";
import { summarize } from "../../durable-objects/queue-shard/reads/summarize.ts";
import { calledBack, deliveriesOf, hook, hooksWorld, passIn, succeedAll } from "../support/node/hooks.ts";
import type { ShardWorld } from "../support/node/shard-world.ts";
import { accept, many, nth } from "../support/node/worker-hand.ts";

const URL = "https://example.com/ended";
const HOUR = 3_600_000;
const never = () => new Promise<number>(() => {});

function end(world: ShardWorld, ...tasks: Parameters<typeof accept>[1][]): void {
  accept(world, ...tasks.map((task) => task ?? {}));
  succeedAll(world);
}

function hostOf({ url }: WebhookMessage): string {
  return url.split("/")[2] ?? "";
}

describe("296 a delivery is tried until it is taken", () => {
  it("again after 5 s, 30 s, 2 minutes …, each time under the same id and with the same body", async () => {
    const world = hooksWorld();
    const statuses = [500, 302, 404];
    world.receive = async () => statuses.shift() ?? 204;
    end(world, calledBack(URL));
    await passIn(world, 200_000);
    expect(world.posts).toHaveLength(4);
    expect(new Set(world.posts.map(({ id, body }) => id + body)).size).toBe(1);
    const at = world.posts.map(({ timestamp }) => timestamp - (world.posts[0]?.timestamp ?? 0));
    expect(at).toEqual([0, 5, 35, 155]);
    const [delivery] = deliveriesOf(world);
    expect(delivery).toMatchObject({ status: "delivered", attemptCount: 4, nextAt: null });
    expect(delivery?.attempts.map(({ status }) => status)).toEqual([500, 302, 404, 204]);
  });

  it("ten times in two days, then it has failed; of a webhook an operator is told", async () => {
    const world = hooksWorld([hook()]);
    world.receive = () => Promise.reject(new Error("connection refused"));
    end(world, {}, {});
    await passIn(world, 60 * HOUR, 60_000);
    expect(world.posts).toHaveLength(20);
    expect(deliveriesOf(world).map(({ status, attemptCount }) => [status, attemptCount])).toEqual([
      ["failed", 10],
      ["failed", 10],
    ]);
    expect(deliveriesOf(world)[0]?.attempts.at(-1)).toMatchObject({ status: null, error: "connection refused" });
    expect(world.told).toMatchObject([{ event: { kind: "webhook-failed" } }]);
  });

  it("an answer that takes more than 10 s is none", async () => {
    const world = hooksWorld();
    world.receive = never;
    end(world, calledBack(URL));
    await passIn(world, 10_200);
    expect(deliveriesOf(world)).toMatchObject([{ status: "pending", attempts: [{ status: null, ms: 10_000 }] }]);
  });

  it("an object that dies while it sends, or before it has the answer on record, sends it again", async () => {
    const world = hooksWorld();
    world.receive = never;
    end(world, calledBack(URL));
    await passIn(world, 1_000);
    expect(world.posts).toHaveLength(1);
    world.evict();
    world.receive = async () => 200;
    await passIn(world, 31_000);
    expect(world.posts).toHaveLength(2);
    expect(world.posts[1]?.id).toBe(world.posts[0]?.id);
    expect(deliveriesOf(world)).toMatchObject([{ status: "delivered" }]);
  });

  it("ends at 410; a webhook is disabled by that, and what waits for it ends too", async () => {
    const world = hooksWorld([hook()]);
    world.receive = async () => 410;
    end(world, {}, calledBack(URL));
    await passIn(world, 1_000);
    expect(deliveriesOf(world, { status: "failed" })).toHaveLength(3);
    expect(world.told).toMatchObject([{ id: "wh_1" }, { id: "wh_1" }]);
  });
});

describe("296 deliveries under way", () => {
  it("are at most 500 or so in a row by one invocation, which may make a thousand requests; the alarm goes on", async () => {
    const world = hooksWorld([], { depthLimit: 100_000 });
    let most = 0;
    world.receive = async () => {
      most = Math.max(most, world.shard.outbound.sentInARow);
      return 200;
    };
    for (let i = 0; i < 20; i++) end(world, ...many(64, calledBack(URL)));
    await passIn(world, 2_000, 100);
    expect(world.posts).toHaveLength(1_280);
    expect(most).toBeGreaterThanOrEqual(500);
    expect(most).toBeLessThan(510);
  });

  it("say nothing any more of a queue that was deleted meanwhile", async () => {
    const world = hooksWorld([hook()]);
    const answers: ((status: number) => void)[] = [];
    world.receive = () => new Promise((resolve) => void answers.push(resolve));
    end(world, {});
    await passIn(world, 200);
    const { settings } = world.shard.memory;
    if (!settings) throw new Error("no settings");
    configure(world.shard, { v: 1, settings: { ...settings, version: 2, generation: 2 } });
    expect(answers).toHaveLength(1);
    for (const answer of answers) answer(410);
    await passIn(world, 200);
    expect(world.told).toEqual([]);
  });

  it("while a gigabyte waits to be taken, submissions are refused as webhook-backlog", () => {
    const world = hooksWorld();
    end(world, calledBack(URL));
    world.shard.memory.deliveries.bytes = 2 ** 30 + 1;
    expect(world.submit([{}])).toMatchObject({ ok: false, code: "webhook-backlog" });
  });
});

describe("297 a webhook that is gone", () => {
  it("is not taken for gone because a Directory of an earlier version does not know of webhooks", async () => {
    const world = hooksWorld([hook()]);
    end(world, {});
    const { hooks: _, ...settings } = world.shard.memory.settings ?? DEFAULT_SETTINGS;
    configure(world.shard, { v: 1, settings: { ...settings, version: 2, slots: 3 } });
    world.evict();
    await passIn(world, 1_000);
    expect(world.shard.memory.settings).toMatchObject({ slots: 3, hooks: { webhooks: [{ id: "wh_1" }] } });
    expect(deliveriesOf(world)).toMatchObject([{ status: "delivered" }]);
  });

  it("deleted or disabled: what waits for it ends at once as failed and tells why; pings go to a disabled one", async () => {
    const world = hooksWorld([hook(), hook({ id: "wh_2" })]);
    world.receive = async () => 503;
    end(world, ...many(3));
    await passIn(world, 1_000);
    const settings = world.shard.memory.settings;
    if (!settings) throw new Error("no settings");
    const hooks = { signing: [], webhooks: [hook({ id: "wh_2", disabled: true })] };
    configure(world.shard, { v: 1, settings: { ...settings, version: 2, hooks } });
    await passIn(world, 10_000);
    const ends = deliveriesOf(world).map(({ status, webhook, attempts }) => [status, webhook, attempts.at(-1)?.error]);
    expect(ends).toHaveLength(6);
    for (const [status, webhook, error] of ends)
      expect([status, error]).toEqual([
        "failed",
        `not sent: the webhook ${webhook === "wh_1" ? "was deleted" : "is disabled"}`,
      ]);
    expect(deliveriesOf(world, { webhook: "wh_1" })[0]?.url).toBeNull();
    expect(pingWebhook(world.shard, { v: 1, webhook: "wh_1" })).toMatchObject({ ok: false, code: "webhook-unknown" });
    world.receive = async () => 200;
    expect(pingWebhook(world.shard, { v: 1, webhook: "wh_2" }).ok).toBe(true);
    await passIn(world, 100);
    expect(deliveriesOf(world)[0]).toMatchObject({ event: "ping", seq: null, status: "delivered" });
    expect(JSON.parse(world.posts.at(-1)?.body ?? "")).toMatchObject({ type: "ping", data: { webhook: "wh_2" } });
  });
});

describe("298 deliveries are read and repeated", () => {
  it("the newest first, by pages, narrowed by status, webhook and task; with the body where one is asked for", async () => {
    const world = hooksWorld([hook()]);
    const seqs = accept(world, calledBack(URL), {}, calledBack(URL), {});
    succeedAll(world, '"r"');
    const all = deliveriesOf(world);
    expect(all).toHaveLength(6);
    const walked: number[] = [];
    for (let before: number | null = null; ; ) {
      const answer = listDeliveries(world.shard, { v: 1, filter: {}, before, limit: 4 });
      if (!answer.ok || answer.deliveries.length === 0) break;
      walked.push(...answer.deliveries.map(({ n }) => n));
      before = walked.at(-1) ?? null;
    }
    expect(walked).toEqual(all.map(({ n }) => n));
    expect(walked).toEqual([...walked].sort((a, b) => b - a));
    expect(deliveriesOf(world, { seq: nth(seqs, 0) })).toHaveLength(2);
    expect(deliveriesOf(world, { webhook: "wh_1" })).toHaveLength(4);
    expect(deliveriesOf(world, { status: "delivered" })).toEqual([]);
    expect(all.every(({ body }) => body === null)).toBe(true);
    const one = listDeliveries(world.shard, {
      v: 1,
      filter: { n: nth(walked, 0) as never },
      before: null,
      limit: 1,
      texts: true,
    });
    expect(one.ok && JSON.parse(one.deliveries[0]?.body ?? "")).toMatchObject({ data: { result: "r" } });
  });

  it("sent again at once, done or not, under the same id; where that fails the policy begins anew", async () => {
    const world = hooksWorld();
    end(world, calledBack(URL));
    await passIn(world, 1_000);
    const { n } = nth(deliveriesOf(world), 0);
    world.receive = async () => 500;
    expect(redeliver(world.shard, { v: 1, n })).toMatchObject({ ok: true, delivery: { status: "pending" } });
    await passIn(world, 10);
    expect(deliveriesOf(world)).toMatchObject([{ status: "pending", attemptCount: 2 }]);
    redeliver(world.shard, { v: 1, n });
    world.receive = async () => 200;
    await passIn(world, 10);
    expect(deliveriesOf(world)).toMatchObject([{ status: "delivered", attemptCount: 3 }]);
    expect(new Set(world.posts.map(({ id }) => id)).size).toBe(1);
    expect(world.shard.memory.deliveries).toMatchObject({ pending: 0, bytes: 0, done: 1 });
    expect(redeliver(world.shard, { v: 1, n: (n + 1) as never })).toMatchObject({ code: "delivery-unknown" });
  });

  it("kept for a week, the latest 10,000 or so, and for as long as they wait; attempts: the first and the latest", async () => {
    const world = hooksWorld([], { depthLimit: 100_000 });
    world.receive = async (message) => (hostOf(message) === "away.example" ? 503 : 200);
    end(world, calledBack("https://away.example/"));
    for (let i = 0; i < 180; i++) {
      end(world, ...many(64, calledBack(URL)));
      await passIn(world, 200, 100);
    }
    const { done } = world.shard.memory.deliveries;
    expect(done).toBeGreaterThanOrEqual(KEEP_DONE);
    expect(done).toBeLessThan(KEEP_DONE + 1_100);
    const [oldest] = deliveriesOf(world, { status: "pending" });
    expect(oldest).toMatchObject({ url: "https://away.example/", attemptCount: 3 });
    for (let i = 0; i < 40; i++) {
      redeliver(world.shard, { v: 1, n: oldest?.n ?? (0 as never) });
      await passIn(world, 10);
    }
    const [tried] = deliveriesOf(world, { status: "pending" });
    expect([tried?.attemptCount, tried?.attempts.length]).toEqual([43, 20]);
    expect(tried?.attempts[0]).toEqual(oldest?.attempts[0]);
    await passIn(world, 100 * HOUR, HOUR);
    expect(world.shard.memory.deliveries).toMatchObject({ pending: 0, done: done + 1 });
    await passIn(world, 70 * HOUR, HOUR);
    expect(world.shard.memory.deliveries).toMatchObject({ pending: 0, done: 0, oldestDone: null });
  });

  it("226 gone with the data of their task, sent or not", async () => {
    const world = hooksWorld();
    world.receive = async (message) => (hostOf(message) === "away.example" ? 503 : 200);
    const tasks = [calledBack("https://away.example/"), calledBack(URL), calledBack("https://away.example/")];
    const seqs = accept(world, ...tasks);
    succeedAll(world);
    await passIn(world, 1_000);
    for (const seq of seqs.slice(0, 2)) expect(erase(world.shard, { v: 1, seq }).ok).toBe(true);
    expect(deliveriesOf(world).map(({ seq }) => seq)).toEqual([seqs[2]]);
    expect(world.shard.memory.deliveries).toMatchObject({ pending: 1, done: 0 });
    const sent = world.posts.length;
    await passIn(world, 10_000);
    expect(world.posts.length).toBe(sent + 1);
    world.evict();
    expect(world.shard.memory.deliveries).toMatchObject({ pending: 1, done: 0 });
  });

  it("no number is given again: not after the queue was deleted, not after all rows are gone", async () => {
    const world = hooksWorld();
    end(world, calledBack(URL));
    const { n } = nth(deliveriesOf(world), 0);
    expect(summarize(world.shard).pendingDeliveries).toBe(1);
    const settings = world.shard.memory.settings;
    if (!settings) throw new Error("no settings");
    configure(world.shard, { v: 1, settings: { ...settings, version: 2, generation: 2 } });
    expect(deliveriesOf(world)).toEqual([]);
    world.now -= HOUR;
    world.evict();
    world.submit([calledBack(URL)], { settingsVersion: 2 });
    succeedAll(world);
    expect(nth(deliveriesOf(world), 0).n).toBeGreaterThan(n);
    // The number of the latest, and so the mark, with the data of its task (seed 39).
    for (let last = 0; last < 3; last++) {
      const latest = nth(deliveriesOf(world), 0);
      erase(world.shard, { v: 1, seq: latest.seq ?? (0 as never) });
      world.evict();
      world.submit([calledBack(URL)], { settingsVersion: 2 });
      succeedAll(world);
      expect(nth(deliveriesOf(world), 0).n).toBeGreaterThan(latest.n);
    }
  });
});
