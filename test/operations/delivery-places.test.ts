/** Receivers that do not answer, or slowly, beside others: none of them holds up who does. */
import { describe, expect, it } from "vitest";
import type { WebhookMessage } from "../../core/webhook-message.ts";
import { calledBack, deliveriesOf, hooksWorld, passIn, succeedAll } from "../support/node/hooks.ts";
import type { ShardWorld } from "../support/node/shard-world.ts";
import { accept, many } from "../support/node/worker-hand.ts";

const never = () => new Promise<number>(() => {});

function end(world: ShardWorld, ...tasks: Parameters<typeof accept>[1][]): void {
  accept(world, ...tasks.map((task) => task ?? {}));
  while (world.shard.memory.lanes.queued > 0) succeedAll(world);
}

function hostOf({ url }: WebhookMessage): string {
  return url.split("/")[2] ?? "";
}

function callsOf(host: string, count = 1) {
  return many(count, calledBack(`https://${host}/`));
}

/** Hosts whose name begins with "hang" never answer. */
function withHangers(count: number): { readonly world: ShardWorld; readonly hangers: readonly string[] } {
  const world = hooksWorld();
  world.receive = (message) => (hostOf(message).startsWith("hang") ? never() : Promise.resolve(200));
  return { world, hangers: Array.from({ length: count }, (_, i) => `hang${i}.example`) };
}

function sentTo(world: ShardWorld, host: string): number {
  return world.posts.filter((message) => hostOf(message) === host).length;
}

/** How long (ms) until a host was sent so many. */
async function until(world: ShardWorld, host: string, count: number): Promise<number> {
  const since = world.now;
  while (sentTo(world, host) < count && world.now - since < 60_000) await passIn(world, 100, 100);
  return world.now - since;
}

describe("296 receivers that hang hold up no other", () => {
  it("eight that are met for the first time before one that answers: it waits 6 s, not 29", async () => {
    const { world, hangers } = withHangers(8);
    end(world, ...hangers.flatMap((host) => callsOf(host, 3)));
    world.now += 50;
    end(world, ...callsOf("good.example", 9));
    expect(await until(world, "good.example", 9)).toBeLessThan(6_500);
  });

  it("one that answered lately is sent at once, however many new ones hang", async () => {
    const { world, hangers } = withHangers(30);
    end(world, ...callsOf("good.example"));
    await passIn(world, 500, 100);
    end(world, ...hangers.flatMap((host) => callsOf(host)));
    await passIn(world, 500, 100);
    for (let sent = 2; sent < 8; sent++) {
      end(world, ...callsOf("good.example"));
      expect(await until(world, "good.example", sent)).toBeLessThanOrEqual(200);
      await passIn(world, 1_000, 100);
    }
  });

  it("after the loss of memory rows tell who did not answer, and nobody waits for them", async () => {
    const { world, hangers } = withHangers(8);
    end(world, ...hangers.flatMap((host) => callsOf(host, 10)));
    await passIn(world, 60_000);
    expect(new Set(deliveriesOf(world).flatMap(({ url, attempts }) => (attempts.length > 0 ? [url] : []))).size).toBe(
      8,
    );
    world.evict();
    end(world, ...callsOf("good.example", 9));
    expect(await until(world, "good.example", 9)).toBeLessThanOrEqual(300);
  });

  it("several good ones that fall silent at once have their places for 2 s", async () => {
    const { world } = withHangers(0);
    const fallen = ["a.example", "b.example"];
    end(world, ...fallen.flatMap((host) => callsOf(host)));
    await passIn(world, 500, 100);
    world.receive = (message) => (fallen.includes(hostOf(message)) ? never() : Promise.resolve(200));
    end(world, ...fallen.flatMap((host) => callsOf(host, 6)));
    world.now += 50;
    end(world, ...callsOf("good.example", 9));
    expect(await until(world, "good.example", 9)).toBeLessThan(2_500);
  });

  it("each of them has 10 s to answer and its turn all the same, and one that was cut off for others spent no attempt", async () => {
    const { world, hangers } = withHangers(5);
    world.receive = (message) => (hostOf(message).startsWith("hang") ? never() : Promise.resolve(200));
    end(world, ...hangers.flatMap((host) => callsOf(host, 4)));
    await passIn(world, 100_000);
    const attempts = deliveriesOf(world).flatMap(({ url, attempts: all }) => all.map(({ ms }) => ({ url, ms })));
    expect(new Set(attempts.map(({ url }) => url)).size).toBe(5);
    expect(new Set(attempts.map(({ ms }) => ms))).toEqual(new Set([10_000]));
    expect(world.posts.length).toBeLessThanOrEqual(attempts.length + 5 + world.shard.outbound.inFlight.size);
  });

  it("ten thousand that wait for one that hangs are no obstacle to those for others", async () => {
    const world = hooksWorld([], { depthLimit: 100_000 });
    world.receive = (message) => (hostOf(message) === "slow.example" ? never() : Promise.resolve(200));
    for (let i = 0; i < 160; i++) end(world, ...many(64, calledBack("https://slow.example/")));
    await passIn(world, 1_000);
    end(world, ...many(60, calledBack("https://good.example/")));
    await passIn(world, 500, 100);
    expect(world.posts.filter((message) => hostOf(message) === "good.example")).toHaveLength(60);
    expect(world.shard.memory.deliveries.pending).toBe(10_240);
  });

  it("several that hang leave room for one that does not, and each is asked one at a time", async () => {
    const world = hooksWorld();
    const isSlow = (message: WebhookMessage) => hostOf(message).startsWith("slow");
    world.receive = (message) => (isSlow(message) ? never() : Promise.resolve(200));
    const slow = ["slow1", "slow2", "slow3"].flatMap((name) => many(5, calledBack(`https://${name}.example/`)));
    end(world, ...slow);
    await passIn(world, 60_000);
    const before = world.posts.length;
    end(world, ...many(9, calledBack("https://good.example/")));
    await passIn(world, 300, 50);
    expect(world.posts.slice(before).filter((message) => !isSlow(message))).toHaveLength(9);
    const { inFlight } = world.shard.outbound;
    expect(inFlight.size).toBeLessThanOrEqual(2);
    const receivers = [...inFlight.values()].map(({ receiver }) => receiver);
    expect(new Set(receivers).size).toBe(receivers.length);
  });
});
