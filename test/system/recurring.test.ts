/** What recurring tasks promise beyond firing, as a user sees it over HTTP: overlap, history, failures in a row, runs, an outage. */
import { describe, expect, it } from "vitest";
import type { FireView, ScheduleView } from "../../core/schema/schedule.ts";
import { Effects } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { DOOR, setFaults } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";

const { client } = await hostService();

const HOUR_MS = 3_600_000;
const put = (id: string, body: object) => client.expect<ScheduleView>(201, "PUT", `/schedules/${id}`, body);
const get = (id: string) => client.expect<ScheduleView>(200, "GET", `/schedules/${id}`);
/** The oldest first. */
async function firesOf(id: string): Promise<FireView[]> {
  const { fires } = await client.expect<{ fires: FireView[] }>(200, "GET", `/schedules/${id}/fires`);
  return fires.reverse();
}
function fires(id: string, what: string, isSo: (fires: readonly FireView[]) => boolean): Promise<FireView[]> {
  const look = async () => {
    const all = await firesOf(id);
    if (!isSo(all)) throw new Error(all.map(({ status }) => status).join(", "));
    return all;
  };
  return waitFor(look, { what: `${id}: ${what}`, timeoutMs: 30_000, everyMs: 50 });
}
const count = (all: readonly FireView[], status: string) => all.filter((fire) => fire.status === status).length;

describe.concurrent("a schedule whose fires take longer than its interval", () => {
  it("C1 E1 334 338 skip: one runs, the others are left out and told, and it goes on", async () => {
    await using effects = await Effects.start();
    effects.hold(1);
    await put("skips", { type: "effect", payload: { url: effects.url }, everySeconds: 1, overlap: "skip" });
    await fires("skips", "two are skipped", (all) => count(all, "SKIPPED") >= 2);
    expect(effects.most).toBe(1);
    effects.release();
    const all = await fires("skips", "another has run", (list) => count(list, "SUCCEEDED") >= 2);
    const [first, second] = all;
    expect(first).toMatchObject({ status: "SUCCEEDED", taskId: expect.any(String), firedAt: expect.any(String) });
    expect(second).toMatchObject({ status: "SKIPPED", count: 1, reason: expect.stringContaining("had not ended") });
    expect(await client.task(first?.taskId ?? "")).toMatchObject({
      schedule: { id: "skips", fireAt: first?.fireAt },
    });
    expect(await get("skips")).toMatchObject({ lastStatus: "SUCCEEDED", failuresInRow: 0 });
    await client.expect(204, "DELETE", "/schedules/skips");
  });

  it("335 queue-one: one waits, and runs as soon as the first has ended", async () => {
    await using effects = await Effects.start();
    effects.hold(1);
    await put("queues", { type: "effect", payload: { url: effects.url }, everySeconds: 1, overlap: "queue-one" });
    await fires("queues", "one waits in another's place", (all) => count(all, "SKIPPED") >= 1);
    expect(count(await firesOf("queues"), "PENDING")).toBe(1);
    await client.expect(200, "PATCH", "/schedules/queues", { everySeconds: 3_600 });
    effects.release();
    await fires("queues", "both have run", (list) => count(list, "SUCCEEDED") === 2);
    expect(effects.most).toBe(1);
    await client.expect(204, "DELETE", "/schedules/queues");
  });

  it("336 cancel-running: the later one runs, the earlier one is cancelled", async () => {
    await using effects = await Effects.start();
    effects.hold(1);
    await put("cancels", { type: "effect", payload: { url: effects.url }, everySeconds: 1, overlap: "cancel-running" });
    const all = await fires("cancels", "one has run", (list) => count(list, "SUCCEEDED") >= 1);
    const ended = await fires("cancels", "the first was cancelled", (list) => list[0]?.status === "CANCELLED");
    expect(ended[0]).toMatchObject({ fireAt: all[0]?.fireAt, code: "cancelled" });
    effects.forget();
    await client.expect(204, "DELETE", "/schedules/cancels");
  });
});

describe.concurrent("a schedule whose fires fail", () => {
  it("340 is paused after so many in a row, and says why; a change keeps its id and its history", async () => {
    await put("fails", { type: "fail", payload: { retryable: false }, everySeconds: 1, disableAfter: 2 });
    const paused = await waitFor(async () => (await get("fails")).paused && (await get("fails")), { what: "paused" });
    expect(paused).toMatchObject({
      nextAt: null,
      lastStatus: "FAILED",
      stoppedReason: expect.stringContaining("fires in a row ended FAILED or EXPIRED"),
    });
    const { events } = await client.expect<{ events: { detail: string }[] }>(
      200,
      "GET",
      "/operator-events?kind=schedule-stopped",
    );
    expect(events[0]?.detail).toContain("fails is paused");
    const before = await firesOf("fails");
    const mended = { type: "echo", payload: 1, everySeconds: 1, disableAfter: 2, paused: false };
    const changed = await client.expect<ScheduleView>(200, "PUT", "/schedules/fails", mended);
    expect(changed).toMatchObject({ paused: false, failuresInRow: 0, createdAt: paused.createdAt });
    expect(changed).not.toHaveProperty("stoppedReason");
    const after = await fires("fails", "it succeeds", (list) => count(list, "SUCCEEDED") >= 1);
    expect(after.slice(0, before.length).map(({ fireAt }) => fireAt)).toEqual(before.map(({ fireAt }) => fireAt));
    await client.expect(204, "DELETE", "/schedules/fails");
  });
});

describe.concurrent("a schedule of workflows", () => {
  it("C1 E1 343 runs one at each fire, which has its end", async () => {
    const workflow = {
      chain: [
        { type: "echo", payload: { n: 1 } },
        { type: "echo", payload: { n: 2 } },
      ],
    };
    const made = await put("flows", { workflow, everySeconds: 1 });
    expect(made).toMatchObject({ workflow, lastTaskId: null });
    expect(made).not.toHaveProperty("type");
    const all = await fires("flows", "two runs have succeeded", (list) => count(list, "SUCCEEDED") >= 2);
    const [first] = all;
    expect(first?.workflowId).toMatch(/^wf_/);
    expect(await client.expect(200, "GET", `/workflows/${first?.workflowId}`)).toMatchObject({ status: "SUCCEEDED" });
    expect(await get("flows")).toMatchObject({
      lastWorkflowId: expect.stringMatching(/^wf_/),
      lastStatus: "SUCCEEDED",
    });
    const { id } = await client.expect<{ id: string }>(202, "POST", "/schedules/flows/run-now");
    expect(await client.expect(200, "GET", `/workflows/${id}?wait=20`)).toMatchObject({ status: "SUCCEEDED" });
    await client.expect(204, "DELETE", "/schedules/flows");
  });
});

describe("an outage of three hours", () => {
  it("C1 E1 342 under skip, once and all: 0, 1 and 3 fires are made up for", async () => {
    for (const missed of ["skip", "once", "all"])
      await put(missed, { type: "echo", payload: missed, everySeconds: 3_600, missed });
    // For the Directory no time has passed: its clock alone stands three hours later, as after being away.
    await setFaults(client, DOOR, { clockMs: 3 * HOUR_MS + 120_000 });
    for (const [missed, made] of [
      ["skip", 0],
      ["once", 1],
      ["all", 3],
    ] as const) {
      const all = await fires(missed, "made up for", (list) => count(list, "SUCCEEDED") === made && list.length > 0);
      expect(all.map(({ status, count: n }) => (n === undefined ? status : `${n} ${status}`))).toEqual([
        ...(made === 3 ? [] : [`${3 - made} MISSED`]),
        ...Array.from({ length: made }, () => "SUCCEEDED"),
      ]);
      expect(await get(missed)).toMatchObject({ fires: made, missedCount: 3 - made });
    }
  });
});
