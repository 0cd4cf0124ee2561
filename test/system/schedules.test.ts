/** Schedules over HTTP: each fire is one task, on time, over a restart, and what was missed meanwhile is made up for as told. */
import { describe, expect, it } from "vitest";
import type { ScheduleView } from "../../core/schema/schedule.ts";
import { Effects } from "../support/node/effects.ts";
import { hostService } from "../support/node/host-service.ts";
import { waitFor } from "../support/node/wait-for.ts";

const { service, client } = await hostService();

const get = (id: string) => client.expect<ScheduleView>(200, "GET", `/schedules/${id}`);

async function make(id: string, effects: Effects, when: object): Promise<ScheduleView> {
  return await client.expect(201, "POST", "/schedules", { id, type: "effect", payload: { url: effects.url }, ...when });
}

async function fired(id: string, times: number): Promise<ScheduleView> {
  const enough = async () => {
    const schedule = await get(id);
    if (schedule.fires < times) throw new Error(`${schedule.fires} fires`);
    return schedule;
  };
  return await waitFor(enough, { what: `${id} has fired ${times} times`, timeoutMs: 40_000, everyMs: 50 });
}

/** Every fire is one task, which ran; the schedule has stopped firing. */
async function oneTaskEach(effects: Effects, { id, fires }: ScheduleView): Promise<void> {
  await waitFor(() => effects.done.size >= fires, { what: `${fires} tasks of ${id} have run` });
  expect(effects.done.size).toBe(fires);
}

/** And ran once. */
async function eachOnce(effects: Effects, schedule: ScheduleView): Promise<void> {
  await oneTaskEach(effects, schedule);
  expect(effects.posts).toBe(schedule.fires);
}

describe.concurrent("a schedule", () => {
  it.each([
    ["each second, by interval", "every", { everySeconds: 1 }],
    ["each second, by a cron expression of six fields", "cron", { cron: "* * * * * *", timezone: "Europe/Vienna" }],
  ])("C1 E1 170 fires %s, each fire once", async (_, id, when) => {
    await using effects = await Effects.start();
    await make(id, effects, when);
    const first = await fired(id, 1);
    await fired(id, 4);
    const paused = await client.expect<ScheduleView>(200, "POST", `/schedules/${id}/pause`);
    const last = await get(id);
    expect(last).toMatchObject({ paused: true, nextAt: null, missedCount: 0, fires: paused.fires });
    // One fire a second between the first and the last: none left out, none doubled.
    expect(msOf(last.lastFireAt) - msOf(first.lastFireAt)).toBe((last.fires - first.fires) * 1_000);
    await eachOnce(effects, last);
  });

  it("E1 170 one-time: fires at its moment, once, and is finished", async () => {
    await using effects = await Effects.start();
    const at = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 1_000).toISOString();
    expect((await make("moment", effects, { at })).nextAt).toBe(at);
    const done = await fired("moment", 1);
    expect(done).toMatchObject({ nextAt: null, lastFireAt: at, fires: 1, missedCount: 0 });
    const [attempt] = (await client.ended(done.lastTaskId ?? "")).attempts;
    expect(msOf(attempt?.startedAt)).toBeGreaterThanOrEqual(msOf(at));
    await eachOnce(effects, done);
  });

  it("E1 175 176 execution control: paused it does not fire, run-now runs it all the same, preview tells what comes", async () => {
    await using effects = await Effects.start();
    const made = await make("controlled", effects, {
      cron: "0 12 * * 1-5",
      timezone: "America/New_York",
      paused: true,
    });
    expect(made).toMatchObject({ paused: true, nextAt: null });
    const ran = await client.expect<{ id: string }>(202, "POST", "/schedules/controlled/run-now");
    expect((await client.ended(ran.id)).status).toBe("SUCCEEDED");
    expect(effects.posts).toBe(1);
    const { fires } = await client.expect<{ fires: string[] }>(200, "GET", "/schedules/controlled/preview?n=5");
    expect(fires).toHaveLength(5);
    for (const fire of fires) {
      const local = new Intl.DateTimeFormat("en-US", {
        timeZone: "America/New_York",
        weekday: "short",
        hour: "numeric",
        hour12: false,
      });
      expect(local.format(new Date(fire))).toMatch(/^(Mon|Tue|Wed|Thu|Fri), 12$/);
    }
    const resumed = await client.expect<ScheduleView>(200, "POST", "/schedules/controlled/resume");
    expect(resumed).toMatchObject({ paused: false, nextAt: fires[0] });
    await client.expect(204, "DELETE", "/schedules/controlled");
    expect((await client.call("GET", "/schedules/controlled")).body.code).toBe("schedule-unknown");
  });
});

describe("downtime", () => {
  it("C1 E1 173 a restart loses no schedule; each fire of a gap under a minute comes, whatever the policy, none twice", async () => {
    await using all = await Effects.start();
    await using once = await Effects.start();
    for (const [id, effects] of [
      ["all", all],
      ["once", once],
    ] as const) {
      await make(id, effects, { everySeconds: 1, missed: id });
      await fired(id, 1);
    }
    await service.kill();
    const before = Date.now();
    await waitFor(() => Date.now() - before > 4_000, { what: "several fires are due", everyMs: 100 });
    await service.restart();
    const down = Math.floor((Date.now() - before) / 1_000);
    for (const id of ["all", "once"]) await fired(id, down + 2);
    const rest = [];
    for (const id of ["all", "once"])
      rest.push(await client.expect<ScheduleView>(200, "POST", `/schedules/${id}/pause`));
    const [every, latest] = rest;
    if (!every || !latest) throw new Error("both schedules are there");
    // From the first fire on, one second after it was made, each second has one.
    const due = (schedule: ScheduleView) => Math.round((msOf(schedule.lastFireAt) - msOf(schedule.createdAt)) / 1_000);
    for (const schedule of [every, latest]) expect([schedule.fires, schedule.missedCount]).toEqual([due(schedule), 0]);
    // A task that was running when the power went runs again: only as many tasks as fires is promised.
    await oneTaskEach(all, every);
    await oneTaskEach(once, latest);
  });
});

function msOf(time: string | null | undefined): number {
  return Date.parse(time ?? "");
}
