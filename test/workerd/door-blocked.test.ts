/** What may be done over HTTP to a task that is BLOCKED, a node of a run that waits for others, and what is refused. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import { call, type Json, type Reply } from "../support/workerd/call.ts";

const PATIENCE = { timeout: 10_000, interval: 20 };
let run: string;
let path: string;

/** A run whose node `b` waits for `a`, which is held. @returns the path of b's task */
async function blocked(): Promise<{ readonly run: string; readonly path: string }> {
  const tasks = [
    { key: "a", type: "echo", payload: 1, queue: "held-blocked" },
    { key: "b", type: "echo", payload: { got: { $result: "a" } }, queue: "held-blocked", dependsOn: ["a"] },
  ];
  const id = String((await call("POST", "/workflows", { tasks })).body.id);
  const task = await vi.waitFor(async () => {
    const { body } = await call("GET", `/workflows/${id}/nodes/b`);
    expect(body.task).toBeTypeOf("string");
    return String(body.task);
  }, PATIENCE);
  return { run: id, path: `/tasks/submissions/${task}` };
}
const pointersOf = ({ body }: Reply): unknown => ((body.errors ?? []) as readonly Json[]).map(({ pointer }) => pointer);

beforeAll(async () => {
  await call("PUT", "/queues/held-blocked", {});
  await call("POST", "/queues/held-blocked/pause");
  ({ run, path } = await blocked());
});

describe("321 a task that is BLOCKED", () => {
  it.each<[string, object, string[]]>([
    ["payload", { payload: { got: 2 } }, ["/payload"]],
    ["runAt", { runAt: "2027-01-01T00:00:00Z" }, ["/runAt"]],
    ["delaySeconds", { delaySeconds: 0 }, ["/delaySeconds"]],
    ["payload beside a priority", { payload: 2, delaySeconds: 9, priority: 9 }, ["/payload", "/delaySeconds"]],
  ])("is not given another %s: 409 names its run, its node, and the field", async (_, patch, pointers) => {
    const reply = await call("PATCH", path, patch);
    expect([reply.status, reply.body.code, pointersOf(reply)]).toEqual([409, "task-blocked", pointers]);
    expect(reply.body.detail).toBe(
      `The task is the node b of the run ${run}, and waits until what it depends on has ended.`,
    );
    expect((await call("GET", path)).body).toMatchObject({ status: "BLOCKED", priority: 5, rev: 1 });
  });

  it("is not let run now, and the answer points at no field", async () => {
    const reply = await call("POST", `${path}/run-now`);
    expect([reply.status, reply.body.code, reply.body.errors]).toEqual([409, "task-blocked", undefined]);
  });

  it("has not ended: neither its data can be deleted, nor is it run again, nor has it a result", async () => {
    const replies = [
      await call("DELETE", path),
      await call("POST", `${path}/replay`),
      await call("GET", path.replace("submissions/", "")),
    ];
    expect(replies.map(({ status, body }) => [status, body.code])).toEqual(Array(3).fill([409, "task-unfinished"]));
  });

  it("is no dead letter", async () => {
    const letter = path.replace("tasks/submissions", "dead-letters");
    const replies = [await call("POST", `${letter}/redrive`), await call("DELETE", letter), await call("GET", letter)];
    expect(replies.map(({ status, body }) => [status, body.code])).toEqual(Array(3).fill([404, "dead-letter-unknown"]));
  });

  it("276 says which nodes it waits for, and that its queue is paused", async () => {
    const { body } = await call("GET", `${path}/explain`);
    expect(body).toMatchObject({ status: "BLOCKED", decidedBy: "parents" });
    expect(((body.reasons ?? []) as readonly Json[]).map(({ code }) => code)).toEqual(["parents", "paused"]);
  });

  it("262 183 is counted by its queue, and beside what is next", async () => {
    expect((await call("GET", "/queues/held-blocked")).body.counts?.blocked).toBeGreaterThan(0);
    expect((await call("GET", "/queues/held-blocked/next")).body).toMatchObject({ notDue: 0, blocked: 1 });
  });
});

describe("278 a node that ended before its payload was filled in", () => {
  it("278 is run again with a payload that is sent, and not with what refers to others", async () => {
    const { run: id, path: task } = await blocked();
    await call("POST", `/workflows/${id}/cancel`);
    await vi.waitFor(async () => expect((await call("GET", task)).body.status).toBe("CANCELLED"), PATIENCE);
    const reply = await call("POST", `${task}/replay`);
    expect([reply.status, reply.body.code, pointersOf(reply)]).toEqual([422, "invalid-request", ["/payload"]]);
    expect((await call("POST", `${task}/replay`, { payload: { got: 1 } })).status).toBe(202);
  });
});
