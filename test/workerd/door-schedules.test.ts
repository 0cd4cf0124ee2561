/** Schedules over HTTP: what the door checks, and the whole way to a task. When they fire is tested at the Directory. */
import { describe, expect, it, vi } from "vitest";
import type { DirectoryRpc } from "../../core/schema/directory-rpc.ts";
import { call } from "../support/workerd/call.ts";
import { altered, serviceWith } from "../support/workerd/service.ts";

const daily = { type: "echo", payload: { report: true }, cron: "0 6 * * *", timezone: "Europe/Vienna" };

describe("schedules", () => {
  it("C1 E1 169 are made, read, listed, changed and deleted", async () => {
    const made = await call("POST", "/schedules", { id: "daily", ...daily, priority: "high", tags: ["r"] });
    expect(made).toMatchObject({
      status: 201,
      body: { id: "daily", ...daily, priority: 7, tags: ["r"], paused: false, missed: "once" },
    });
    expect(made.headers.get("location")).toBe("/schedules/daily");
    expect(made.body.nextAt).toMatch(/T0[45]:00:00/);
    expect((await call("GET", "/schedules/daily")).body).toEqual(made.body);
    expect((await call("GET", "/schedules")).body).toMatchObject({ schedules: [{ id: "daily" }], cursor: null });
    expect((await call("PATCH", "/schedules/daily", { priority: 2 })).body).toMatchObject({
      priority: 2,
      cron: daily.cron,
    });
    expect(await call("PUT", "/schedules/daily", { ...daily, cron: "30 6 * * *" })).toMatchObject({
      status: 200,
      body: { priority: 5 },
    });
    expect((await call("DELETE", "/schedules/daily")).status).toBe(204);
    expect(await call("GET", "/schedules/daily")).toMatchObject({ status: 404, body: { code: "schedule-unknown" } });
  });

  it("241 name the keys of their tasks, keep them over a change, and lose them by null", async () => {
    const keys = { limitKey: "tenant-7", fairnessKey: "blue" };
    expect((await call("PUT", "/schedules/keyed", { ...daily, ...keys })).body).toMatchObject(keys);
    expect((await call("PATCH", "/schedules/keyed", { priority: 1 })).body).toMatchObject(keys);
    const { body: run } = await call("POST", "/schedules/keyed/run-now");
    expect((await call("GET", `/tasks/submissions/${run.id}?wait=20`)).body).toMatchObject({
      status: "SUCCEEDED",
      ...keys,
    });
    const { body: less } = await call("PATCH", "/schedules/keyed", { limitKey: null });
    expect(less).toMatchObject({ fairnessKey: "blue" });
    expect(less).not.toHaveProperty("limitKey");
    expect(await call("PUT", "/schedules/keyed", { ...daily, fairnessKey: "a b" })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "/fairnessKey" }] },
    });
    await call("DELETE", "/schedules/keyed");
  });

  it("169 PUT to a new id makes it, POST to a known one is refused", async () => {
    expect((await call("PUT", "/schedules/twice", daily)).status).toBe(201);
    expect(await call("POST", "/schedules", { id: "twice", ...daily })).toMatchObject({
      status: 409,
      body: { code: "schedule-exists" },
    });
    await call("DELETE", "/schedules/twice");
  });

  it("169 the list goes on from its cursor", async () => {
    for (const id of ["a", "b", "c"]) await call("PUT", `/schedules/page-${id}`, daily);
    const first = await call("GET", "/schedules?limit=2");
    expect(first.body.schedules?.map((schedule) => schedule.id)).toEqual(["page-a", "page-b"]);
    const second = await call("GET", `/schedules?limit=2&cursor=${first.body.cursor}`);
    expect(second.body).toMatchObject({ schedules: [{ id: "page-c" }], cursor: null });
    expect(await call("GET", "/schedules?cursor=%25")).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "?cursor" }] },
    });
    for (const id of ["a", "b", "c"]) await call("DELETE", `/schedules/page-${id}`);
  });

  it("169 the list may be of those that are paused, or of one type", async () => {
    await call("PUT", "/schedules/list-a", { ...daily, paused: true });
    await call("PUT", "/schedules/list-b", daily);
    await call("PUT", "/schedules/list-c", { ...daily, type: "sleep", payload: { ms: 1 }, paused: true });
    const ids = async (query: string) =>
      (await call("GET", `/schedules?${query}`)).body.schedules
        ?.map(({ id }) => String(id))
        .filter((id) => /^list/.test(id));
    expect(await ids("paused=true")).toEqual(["list-a", "list-c"]);
    expect(await ids("paused=false")).toEqual(["list-b"]);
    expect(await ids("type=sleep")).toEqual(["list-c"]);
    expect(await ids("type=echo&paused=true")).toEqual(["list-a"]);
    for (const query of ["paused=1", "type=a%20b", "stopped=true"])
      expect(await call("GET", `/schedules?${query}`)).toMatchObject({ status: 422 });
    for (const id of ["a", "b", "c"]) await call("DELETE", `/schedules/list-${id}`);
  });

  it("E1 176 run-now makes one task more, whose result is there; the next fire stays", async () => {
    const { body: schedule } = await call("PUT", "/schedules/now", daily);
    const run = await call("POST", "/schedules/now/run-now");
    expect(run).toMatchObject({ status: 202, body: { schedule: "now" } });
    expect(run.headers.get("location")).toBe(`/tasks/submissions/${run.body.id}`);
    await call("GET", `/tasks/submissions/${run.body.id}?wait=20`);
    expect((await call("GET", `/tasks/${run.body.id}`)).body).toMatchObject({
      status: "SUCCEEDED",
      result: { report: true },
    });
    expect((await call("GET", "/schedules/now")).body).toMatchObject({ nextAt: String(schedule.nextAt), fires: 0 });
  });

  it("219 name by when the task of a fire must have begun, keep it over a change, and lose it by null", async () => {
    await call("PUT", "/queues/brief", {});
    await call("POST", "/queues/brief/pause");
    const brief = { ...daily, queue: "brief", ttlSeconds: 0.3 };
    expect((await call("PUT", "/schedules/brief", brief)).body).toMatchObject({ ttlSeconds: 0.3 });
    expect((await call("PATCH", "/schedules/brief", { priority: 1 })).body).toMatchObject({ ttlSeconds: 0.3 });
    const { body: run } = await call("POST", "/schedules/brief/run-now");
    const ended = await call("GET", `/tasks/submissions/${run.id}?wait=10`);
    expect(ended.body).toMatchObject({ status: "EXPIRED", error: { code: "expired" } });
    expect((await call("PATCH", "/schedules/brief", { ttlSeconds: null })).body).not.toHaveProperty("ttlSeconds");
    const { body: lasting } = await call("POST", "/schedules/brief/run-now");
    expect((await call("GET", `/tasks/submissions/${lasting.id}`)).body).not.toHaveProperty("expiresAt");
    expect(await call("PUT", "/schedules/brief", { ...brief, ttlSeconds: 0 })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "/ttlSeconds", detail: "must be more than 0" }] },
    });
    await call("DELETE", "/schedules/brief");
  });

  it("176 run-now under an Idempotency-Key makes one task, and says so where it is told again", async () => {
    await call("PUT", "/schedules/once", daily);
    const run = (key: string) =>
      call("POST", "/schedules/once/run-now", undefined, { headers: { "idempotency-key": key } });
    const first = await run("k");
    expect([first.status, first.headers.get("idempotency-replayed")]).toEqual([202, null]);
    await call("GET", `/tasks/submissions/${first.body.id}?wait=20`);
    const again = await run("k");
    expect([again.status, again.body, again.headers.get("idempotency-replayed")]).toEqual([202, first.body, "true"]);
    expect((await run("l")).body.id).not.toBe(first.body.id);
    expect(await run("not visible")).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "Idempotency-Key:" }] },
    });
  });

  it("176 run-now whose answer is lost is outcome-unknown, or it would be sent twice; under a key it may be", async () => {
    await call("PUT", "/schedules/lost", daily);
    const service = serviceWith((real) => ({
      directory(tenant) {
        const stub = real.directory(tenant);
        const lost: DirectoryRpc["runSchedule"] = async (request) => {
          await stub.runSchedule(request);
          throw new Error("Network connection lost.");
        };
        return altered(stub, { runSchedule: lost });
      },
    }));
    const run = (headers: Record<string, string>) =>
      call("POST", "/schedules/lost/run-now", undefined, { fetch: service, headers });
    expect(await run({})).toMatchObject({ status: 503, body: { code: "outcome-unknown", retryable: false } });
    expect(await run({ "idempotency-key": "k" })).toMatchObject({ status: 503, body: { code: "unavailable" } });
    const again = await call("POST", "/schedules/lost/run-now", undefined, { headers: { "idempotency-key": "k" } });
    expect(again.headers.get("idempotency-replayed")).toBe("true");
  });

  it("E1 175 176 pause and resume, and a preview that says when", async () => {
    await call("PUT", "/schedules/held", daily);
    expect((await call("POST", "/schedules/held/pause")).body).toMatchObject({ paused: true, nextAt: null });
    const preview = await call("GET", "/schedules/held/preview?n=3");
    expect(preview.body.fires).toHaveLength(3);
    expect((await call("GET", "/schedules/held/preview")).body.fires).toHaveLength(10);
    expect(await call("GET", "/schedules/held/preview?n=0")).toMatchObject({ status: 422 });
    expect((await call("POST", "/schedules/held/resume")).body).toMatchObject({
      paused: false,
      nextAt: String(preview.body.fires?.[0]),
    });
  });

  it("E1 170 175 a one-time schedule fires by the Directory's own alarm, and is finished then", async () => {
    await call("PUT", "/schedules/soon", {
      type: "echo",
      payload: "fired",
      at: new Date(Date.now() + 200).toISOString(),
    });
    const fired = await vi.waitFor(async () => {
      const { body } = await call("GET", "/schedules/soon");
      expect(body.lastTaskId).not.toBeNull();
      return body;
    }, 10_000);
    expect(fired).toMatchObject({ fires: 1, nextAt: null });
    await call("GET", `/tasks/submissions/${fired.lastTaskId}?wait=20`);
    expect((await call("GET", `/tasks/${fired.lastTaskId}`)).body).toMatchObject({ result: "fired" });
    for (const verb of ["pause", "resume"])
      expect(await call("POST", `/schedules/soon/${verb}`)).toMatchObject({
        status: 409,
        body: { code: "schedule-finished" },
      });
  });

  it.each<[string, object, string, string]>([
    ["no time at all", { type: "echo", payload: 1 }, "invalid-request", ""],
    ["two kinds of time", { ...daily, everySeconds: 5 }, "invalid-request", "/everySeconds"],
    ["a cron expression that is none", { ...daily, cron: "every day" }, "invalid-request", "/cron"],
    ["an unknown zone", { ...daily, timezone: "Mars/Olympus" }, "invalid-request", "/timezone"],
    ["a cap below its base", { ...daily, retry: { baseMs: 2, capMs: 1 } }, "invalid-request", "/retry/capMs"],
    ["an unknown field", { ...daily, colour: 1 }, "invalid-request", "/colour"],
    ["an unknown type", { ...daily, type: "nope" }, "type-unknown", "/type"],
    [
      "a payload that does not fit",
      { ...daily, type: "factorial", payload: { n: -1 } },
      "payload-invalid",
      "/payload/n",
    ],
  ])("169 refuses %s", async (_, body, code, pointer) => {
    const reply = await call("POST", "/schedules", body);
    expect(reply).toMatchObject({ status: 422, body: { code } });
    expect(reply.body.errors?.map((error) => error.pointer)).toEqual([pointer]);
  });

  it("169 a PATCH of the type alone is checked against the payload that is there", async () => {
    await call("PUT", "/schedules/typed", daily);
    expect(await call("PATCH", "/schedules/typed", { type: "factorial" })).toMatchObject({
      status: 422,
      body: { code: "payload-invalid" },
    });
    expect((await call("PATCH", "/schedules/typed", { type: "factorial", payload: { n: 5 } })).body).toMatchObject({
      type: "factorial",
      payload: { n: 5 },
    });
    await call("DELETE", "/schedules/typed");
  });

  it.each(["GET", "PATCH", "DELETE"])("169 %s of an unknown or ill-named one is 404", async (method) => {
    for (const id of ["none", "no:colon"])
      expect(await call(method, `/schedules/${id}`, method === "PATCH" ? {} : undefined)).toMatchObject({
        status: 404,
        body: { code: "schedule-unknown" },
      });
  });
});
