/** What is told of a recurring task beyond its time, as the door checks and shows it. */
import { describe, expect, it, vi } from "vitest";
import { call } from "../support/workerd/call.ts";

const daily = { type: "echo", payload: { report: true }, cron: "0 6 * * *", timezone: "Europe/Vienna" };
const workflow = { tasks: [{ key: "a", type: "echo", payload: 1 }] };

describe("332 333 340 341 what a schedule is told", () => {
  it("is shown, kept over a change, changed and taken away", async () => {
    const told = { overlap: "skip", jitterSeconds: 60, disableAfter: 3, dst: "both" };
    const made = await call("PUT", "/schedules/told", { ...daily, ...told });
    expect(made).toMatchObject({
      status: 201,
      body: { ...daily, ...told, cronText: "At 06:00", lastStatus: null, failuresInRow: 0, skippedCount: 0 },
    });
    const { body: again } = await call("PUT", "/schedules/told", { ...daily, ...told });
    expect(again).toEqual(made.body);
    const { body: patched } = await call("PATCH", "/schedules/told", { priority: 1 });
    expect(patched).toMatchObject({ ...told, nextAt: String(made.body.nextAt), priority: 1 });
    const less = { overlap: "queue-one", jitterSeconds: null, disableAfter: null, dst: "once" };
    const { body: taken } = await call("PATCH", "/schedules/told", less);
    expect(taken).toMatchObject({ overlap: "queue-one", cron: daily.cron, timezone: daily.timezone });
    for (const field of ["jitterSeconds", "disableAfter", "dst"]) expect(taken).not.toHaveProperty(field);
    await call("DELETE", "/schedules/told");
    const { body: plain } = await call("PUT", "/schedules/told", { ...daily, cron: "0 9 * * 1-5" });
    expect(plain).toMatchObject({ overlap: "allow", cronText: "At 09:00, Monday through Friday" });
    await call("DELETE", "/schedules/told");
  });

  it("332 jitter shows in nextAt and in the preview, the same whenever it is asked", async () => {
    const { body: made } = await call("PUT", "/schedules/late", { ...daily, jitterSeconds: 3_600 });
    const { body: preview } = await call("GET", "/schedules/late/preview?n=20");
    expect(preview.fires?.[0]).toBe(String(made.nextAt));
    expect((await call("GET", "/schedules/late/preview?n=20")).body).toEqual(preview);
    const minutes = preview.fires?.map((fire) => Number(String(fire).slice(14, 16))) ?? [];
    expect(new Set(minutes).size).toBeGreaterThan(10);
    await call("DELETE", "/schedules/late");
  });

  it("341 a cron expression is told in words, of five fields or six; one without words has none", async () => {
    for (const [cron, words] of [
      ["*/15 * * * *", "Every 15 minutes"],
      ["*/10 * * * * *", "Every 10 seconds"],
      ["30 2 L * *", "At 02:30, on the last day of the month"],
      ["0 3 1 * +MON", undefined],
    ] as const) {
      const { body } = await call("PUT", "/schedules/words", { ...daily, cron });
      expect(body.cronText, cron).toBe(words);
    }
    await call("DELETE", "/schedules/words");
  });

  it.each<[string, object, string]>([
    ["an overlap that is none", { ...daily, overlap: "wait" }, "/overlap"],
    ["no jitter", { ...daily, jitterSeconds: 0 }, "/jitterSeconds"],
    ["a jitter of more than a day", { ...daily, jitterSeconds: 86_401 }, "/jitterSeconds"],
    ["more failures than are kept", { ...daily, disableAfter: 101 }, "/disableAfter"],
    ["a dst that is none", { ...daily, dst: "twice" }, "/dst"],
    ["dst without cron", { type: "echo", payload: 1, everySeconds: 5, dst: "both" }, "/dst"],
    ["a workflow beside a payload", { workflow, payload: 1, everySeconds: 5 }, "/payload"],
    ["a workflow beside a queue", { workflow, queue: "default", everySeconds: 5 }, "/queue"],
    ["a workflow beside an option", { workflow, retry: { maxAttempts: 1 }, everySeconds: 5 }, "/retry"],
    ["neither a task nor a workflow", { payload: 1, everySeconds: 5 }, "/type"],
  ])("333 refuses %s", async (_, body, pointer) => {
    const reply = await call("PUT", "/schedules/wrong", body);
    expect(reply).toMatchObject({ status: 422, body: { code: "invalid-request" } });
    expect(reply.body.errors?.map((error) => error.pointer)).toEqual([pointer]);
    expect((await call("GET", "/schedules/wrong")).status).toBe(404);
  });
});

it("347 a zone is no matter of a schedule without cron, by PATCH neither; nor beside another kind", async () => {
  await call("PUT", "/schedules/zone", { type: "echo", payload: 1, everySeconds: 3_600 });
  for (const [body, pointer] of [
    [{ timezone: "Europe/Vienna" }, "/timezone"],
    [{ dst: "both" }, "/dst"],
    [{ at: "2100-01-01T00:00:00Z", timezone: "UTC" }, "/timezone"],
  ] as const) {
    const reply = await call("PATCH", "/schedules/zone", body);
    expect(reply).toMatchObject({ status: 422, body: { code: "invalid-request", errors: [{ pointer }] } });
  }
  const daily = { cron: "0 9 * * *", timezone: "Europe/Vienna", dst: "both" };
  expect(await call("PATCH", "/schedules/zone", daily)).toMatchObject({ status: 200, body: daily });
  expect((await call("PATCH", "/schedules/zone", { timezone: "UTC" })).body).toMatchObject({ timezone: "UTC" });
  await call("DELETE", "/schedules/zone");
});

describe("343 a schedule of workflows", () => {
  const at = "2100-01-01T00:00:00Z";

  it.each<[string, object, string]>([
    ["a cycle", { tasks: [{ key: "a", type: "echo", payload: 1, dependsOn: ["a"] }] }, "/workflow/tasks/0/dependsOn/0"],
    ["an unknown type", { tasks: [{ key: "a", type: "nope", payload: 1 }] }, "/workflow/tasks/0/type"],
    [
      "a payload that does not fit",
      { tasks: [{ key: "a", type: "factorial", payload: { n: -1 } }] },
      "/workflow/tasks/0/payload/n",
    ],
    ["no shape", { name: "x" }, "/workflow"],
  ])("343 refuses %s as a POST of it would, with its place", async (_, wrong, pointer) => {
    const reply = await call("PUT", "/schedules/flow", { workflow: wrong, at });
    expect(reply.status).toBe(422);
    expect(reply.body.errors?.[0]?.pointer).toBe(pointer);
  });

  it("343 is shown as it was sent, and changed whole; what it makes stays what it is, but by PUT", async () => {
    const made = await call("PUT", "/schedules/flow", { workflow, at });
    expect(made).toMatchObject({ status: 201, body: { workflow, at: "2100-01-01T00:00:00.000Z" } });
    for (const field of ["type", "payload", "queue", "priority"]) expect(made.body).not.toHaveProperty(field);
    const other = { chain: [{ type: "echo", payload: 2 }] };
    expect((await call("PATCH", "/schedules/flow", { workflow: other })).body).toMatchObject({ workflow: other });
    expect((await call("PATCH", "/schedules/flow", { missed: "all" })).body).toMatchObject({ workflow: other });
    for (const [id, body, pointer] of [
      ["flow", { payload: 1 }, "/payload"],
      ["flow", { tags: ["x"] }, "/tags"],
      ["task", { workflow }, "/workflow"],
    ] as const) {
      await call("PUT", "/schedules/task", daily);
      expect(await call("PATCH", `/schedules/${id}`, body)).toMatchObject({
        status: 422,
        body: { errors: [{ pointer }] },
      });
    }
    expect((await call("PUT", "/schedules/flow", daily)).body).toMatchObject({ type: "echo" });
    for (const id of ["flow", "task"]) await call("DELETE", `/schedules/${id}`);
  });

  it("343 one that is too large to be kept is 413", async () => {
    const tasks = Array.from({ length: 6 }, (_, i) => ({ key: `k${i}`, type: "echo", payload: "x".repeat(200_000) }));
    expect(await call("PUT", "/schedules/large", { workflow: { tasks }, at })).toMatchObject({
      status: 413,
      body: { code: "payload-too-large", errors: [{ pointer: "/workflow" }] },
    });
  });
});

describe("338 the history of fires", () => {
  it("338 tells each, the newest first, by pages", async () => {
    await call("PUT", "/schedules/told", { type: "echo", payload: 1, everySeconds: 1 });
    const some = await vi.waitFor(async () => {
      const { body } = await call("GET", "/schedules/told/fires");
      expect(body.fires?.filter((fire) => (fire as { status?: string }).status === "SUCCEEDED").length).toBeGreaterThan(
        1,
      );
      return body;
    }, 15_000);
    await call("POST", "/schedules/told/pause");
    expect(some).toMatchObject({ cursor: null });
    const first = await call("GET", "/schedules/told/fires?limit=1");
    expect(first.body.fires).toHaveLength(1);
    const second = await call("GET", `/schedules/told/fires?limit=1&cursor=${first.body.cursor}`);
    const [newest, older] = [first.body.fires?.[0], second.body.fires?.[0]] as unknown as { fireAt: string }[];
    expect(Date.parse(newest?.fireAt ?? "") - Date.parse(older?.fireAt ?? "")).toBe(1_000);
    expect(await call("GET", "/schedules/told/fires?limit=101")).toMatchObject({ status: 422 });
    expect(await call("GET", "/schedules/told/fires?status=FAILED")).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "?status" }] },
    });
    expect(await call("GET", "/schedules/told/fires?cursor=x")).toMatchObject({ status: 422 });
    expect(await call("GET", "/schedules/none/fires")).toMatchObject({
      status: 404,
      body: { code: "schedule-unknown" },
    });
    await call("DELETE", "/schedules/told");
  });
});
