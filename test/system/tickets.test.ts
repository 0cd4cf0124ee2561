/** Tickets are hints: lost, doubled, late or undeliverable, they cost time and nothing else. */
import { describe, expect, it } from "vitest";
import { Effects } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { sendHeldTickets, setFaults } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

const { client } = await hostService();

function submitEffects(effects: Effects, queue: string, count: number) {
  return client.submitAll(
    Array.from({ length: count }, () => ({ type: "effect", payload: { url: effects.url }, queue })),
  );
}

/** Every task ran once and ended well, in its first attempt. */
async function allOnce(effects: Effects, ids: readonly string[]): Promise<void> {
  const tasks = await client.tasks(ids);
  expect(tasks.map(({ status, attempts }) => [status, attempts.length])).toEqual(ids.map(() => ["SUCCEEDED", 1]));
  expect([effects.done.size, effects.posts]).toEqual([ids.length, ids.length]);
}

/** Each in its own queue: most of the time of each is waiting. */
describe.concurrent("tickets", () => {
  it("124 that are lost are issued again, and nothing fails or runs twice", async () => {
    await using effects = await Effects.start();
    await client.putQueue("lost");
    await setFaults(client, "lost", { tickets: "dropped" });
    const { ids, batch } = await submitEffects(effects, "lost", 40);
    const since = performance.now();
    // The second lot is issued after 2 s, and lost as well; the third comes 4 s later.
    await waitFor(() => performance.now() - since > 2_500, { what: "the second lot has been lost", everyMs: 100 });
    expect(effects.posts).toBe(0);
    await setFaults(client, "lost", { tickets: "sent" });
    await client.batchEnded(batch);
    await allOnce(effects, ids);
  });

  it("124 that come twice make nothing run twice", async () => {
    await using effects = await Effects.start();
    await client.putQueue("doubled", { maxSessions: 4 });
    await setFaults(client, "doubled", { tickets: "doubled" });
    effects.hold(24);
    const { ids } = await submitEffects(effects, "doubled", 200);
    await waitFor(() => effects.holding === 24, { what: "all four sessions are full" });
    expect(await client.counts("doubled")).toMatchObject({ sessions: 4, running: 24 });
    effects.release();
    await client.settled("doubled");
    expect(effects.most).toBe(24);
    await allOnce(effects, ids);
  });

  it("124 that come a minute late find nothing, or help: nothing fails or runs twice", async () => {
    await using effects = await Effects.start();
    await client.putQueue("late", { maxSessions: 2 });
    await setFaults(client, "late", { tickets: "hold" });
    effects.hold(6);
    const { ids } = await submitEffects(effects, "late", 60);
    // A minute later they are overdue, and others have been issued in their place.
    await setFaults(client, "late", { tickets: "sent", clockMs: 60_000 });
    await waitFor(async () => (await client.counts("late")).running > 0 && effects.holding === 6, {
      what: "later tickets have been redeemed",
    });
    expect(await sendHeldTickets(client, "late")).toBeGreaterThan(0);
    effects.release();
    await client.settled("late");
    await allOnce(effects, ids);
    expect(await sendHeldTickets(client, "late")).toBe(0);
  });

  it("134 whose session cannot be opened land in dead-tickets, an operator event is written, the task still runs", async () => {
    await using effects = await Effects.start();
    await client.putQueue("unreachable");
    await setFaults(client, "unreachable", { failOpens: 1_000 });
    const { ids, batch } = await submitEffects(effects, "unreachable", 1);
    type Events = { events: { kind: string; detail: string }[] };
    const told = async () => {
      const { events } = await client.expect<Events>(200, "GET", "/operator-events");
      return events.find(({ kind, detail }) => kind === "dead-ticket" && detail.includes("default:unreachable:0"));
    };
    await waitFor(told, { what: "a ticket was given up", timeoutMs: 60_000, everyMs: 200 });
    expect(effects.posts).toBe(0);
    await setFaults(client, "unreachable", { failOpens: 0 });
    await client.batchEnded(batch, 90_000);
    await allOnce(effects, ids);
  });
});
