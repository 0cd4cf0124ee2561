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
});
