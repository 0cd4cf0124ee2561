/** A PATCH of a schedule: what it takes away, what it is checked against, and two of them at once. */
import { describe, expect, it } from "vitest";
import type { DirectoryRpc } from "../../core/schema/directory-rpc.ts";
import { call } from "../support/workerd/call.ts";
import { altered, serviceWith } from "../support/workerd/service.ts";

const hourly = { type: "echo", payload: "text", everySeconds: 3_600 };

/** A service in which `meanwhile` comes between each PATCH's look at the schedule and its change. */
function between(meanwhile: () => Promise<unknown>) {
  return serviceWith((real) => ({
    directory(tenant) {
      const stub = real.directory(tenant);
      const getSchedule: DirectoryRpc["getSchedule"] = async (request) => {
        const answer = await stub.getSchedule(request);
        await meanwhile();
        return answer;
      };
      return altered(stub, { getSchedule });
    },
  }));
}

describe("a PATCH of a schedule", () => {
  it("177 two at once are one after the other: each is checked against what the other left", async () => {
    await call("PUT", "/schedules/raced", hourly);
    const meanwhile = [{ type: "sleep", payload: { ms: 1 } }];
    const service = between(async () => {
      const [change] = meanwhile.splice(0, 1);
      if (change) expect(await call("PATCH", "/schedules/raced", change)).toMatchObject({ status: 200 });
    });
    expect(await call("PATCH", "/schedules/raced", { payload: "other" }, { fetch: service })).toMatchObject({
      status: 422,
      body: { code: "payload-invalid" },
    });
    expect((await call("GET", "/schedules/raced")).body).toMatchObject({ type: "sleep", payload: { ms: 1 } });
  });

  it("177 two at once that go together are both there, also of the options of its tasks", async () => {
    await call("PUT", "/schedules/both", hourly);
    const changes = [{ tags: ["a"] }, { timeoutMs: 1_000 }, { onCrash: "fail" }, { maxCrashes: 2 }];
    const replies = await Promise.all(changes.map((change) => call("PATCH", "/schedules/both", change)));
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect((await call("GET", "/schedules/both")).body).toMatchObject(Object.assign({}, ...changes));
  });

  it("177 one that finds the schedule changed each time is 503, and changes nothing", async () => {
    await call("PUT", "/schedules/busy", hourly);
    let priority = 1;
    const service = between(() => call("PATCH", "/schedules/busy", { priority: (priority++ % 9) + 1 }));
    expect(await call("PATCH", "/schedules/busy", { payload: "mine" }, { fetch: service })).toMatchObject({
      status: 503,
      body: { code: "unavailable" },
    });
    expect((await call("GET", "/schedules/busy")).body).toMatchObject({ payload: "text" });
  });

  it("177 changes what stands beside a type that is gone, and is told of the type where that is needed", async () => {
    await call("PUT", "/types/fleeting", { queue: "default" });
    await call("PUT", "/schedules/typeless", { ...hourly, type: "fleeting" });
    expect(await call("DELETE", "/types/fleeting")).toMatchObject({ status: 204 });
    const patch = (body: object) => call("PATCH", "/schedules/typeless", body);
    for (const body of [{ priority: 9 }, { everySeconds: 60 }, { paused: true }, { limitKey: "a", queue: "default" }])
      expect(await patch(body)).toMatchObject({ status: 200, body });
    expect(await patch({ payload: 1 })).toMatchObject({ status: 422, body: { code: "type-unknown" } });
    expect(await patch({ type: "echo" })).toMatchObject({ status: 200, body: { type: "echo", priority: 9 } });
  });

  it("352 null takes away what may be absent, and what the type or the queue says counts again", async () => {
    const told = {
      callback: { url: "http://127.0.0.1:9/told" },
      tags: ["a"],
      retry: { maxAttempts: 9 },
      timeoutMs: 1_000,
      maxCrashes: 2,
      onCrash: "fail",
      resultTtlSeconds: 60,
      keepPayload: false,
      limitKey: "a",
      fairnessKey: "b",
      ttlSeconds: 60,
      jitterSeconds: 5,
      disableAfter: 3,
    };
    const plain = (await call("PUT", "/schedules/bare", hourly)).body;
    expect((await call("PUT", "/schedules/bare", { ...hourly, ...told })).body).toMatchObject(told);
    let kept: Record<string, unknown> = told;
    for (const field of Object.keys(told)) {
      const { body } = await call("PATCH", "/schedules/bare", { [field]: null });
      kept = Object.fromEntries(Object.entries(kept).filter(([name]) => name !== field));
      expect(body).not.toHaveProperty(field);
      expect(body, field).toMatchObject(kept);
    }
    const { body } = await call("GET", "/schedules/bare");
    expect(Object.keys(body)).toEqual(Object.keys(plain));
    expect(await call("PATCH", "/schedules/bare", { priority: null })).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: "/priority" }] },
    });
  });
});
