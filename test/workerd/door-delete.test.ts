/** DELETE of a task's data over HTTP, on real objects and D1: what is answered then, and what D1's being away does. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import type { HistoryDatabase } from "../../core/ports.ts";
import { call, type Reply } from "../support/workerd/call.ts";
import { altered, serviceWith, silence } from "../support/workerd/service.ts";
import { stubOf } from "../support/workerd/shard.ts";

const queue = "deleted";
const path = "/tasks/submissions";
const SECRET = "a-secret-of-somebody";

async function ended(body: object = {}): Promise<string> {
  const { body: task } = await call("POST", path, {
    type: "echo",
    payload: { who: SECRET },
    tags: [SECRET],
    queue,
    ...body,
  });
  await call("GET", `${path}/${task.id}?wait=20`);
  return String(task.id);
}

const erase = (id: string, fetch?: (request: Request) => Promise<Response>): Promise<Reply> =>
  call("DELETE", `${path}/${id}`, undefined, fetch ? { fetch } : {});
const inD1 = async (id: string) => {
  const { results } = await env.HISTORY_0.prepare("SELECT * FROM history").all();
  return JSON.stringify(results.filter(({ seq }) => Number.parseInt(id.split(".")[2] ?? "", 32) === seq));
};

beforeAll(async () => {
  await call("PUT", `/queues/${queue}`, {});
});

describe("226 DELETE of a finished task", () => {
  it.each([
    ["success", {}],
    ["failure", { type: "fail", payload: { message: SECRET }, retry: { maxAttempts: 1 } }],
  ])(
    "of a %s is 204; then it is 410 task-deleted wherever it is asked for, and D1 has nothing of it",
    async (_, body) => {
      const id = await ended(body);
      expect((await erase(id)).status).toBe(204);
      expect(await inD1(id)).not.toContain(SECRET);
      for (const [method, where] of [
        ["GET", `${path}/${id}`],
        ["GET", `/tasks/${id}`],
        ["GET", `${path}/${id}/timeline`],
        ["POST", `${path}/${id}/cancel`],
        ["POST", `${path}/${id}/replay`],
      ] as const)
        expect(await call(method, where)).toMatchObject({
          status: 410,
          body: { code: "task-deleted", retryable: false },
        });
      const several = await call("GET", `${path}?ids=${id}`);
      expect(several.body.tasks?.[0]).toMatchObject({ id, problem: { code: "task-deleted" } });
      expect((await call("GET", `/dead-letters/${id}`)).status).toBe(404);
      expect((await erase(id)).status).toBe(204);
    },
  );

  it("with keys: none stays in the shard as it was named, and those of a time still answer with the task", async () => {
    const headers = { "idempotency-key": SECRET };
    const rows = () =>
      runInDurableObject(stubOf(queue), (_instance, { storage }) =>
        storage.sql.exec("SELECT key, within FROM dedup WHERE key NOT LIKE 'erased:%'").toArray(),
      );
    const task = (within: object, type = "echo") => ({
      ...{ type, payload: { ms: 1 }, queue },
      unique: { by: "key", key: SECRET, ...within },
    });
    const window = task({ within: "window", windowSeconds: 600 });
    const submit = async (body: object, more = {}) => String((await call("POST", path, body, more)).body.id);
    const ids = [await submit(window), await submit(task({ within: "running" }, "sleep"), { headers })];
    for (const id of ids) {
      await call("GET", `${path}/${id}?wait=20`);
      expect((await erase(id)).status).toBe(204);
    }
    expect(JSON.stringify(await rows())).not.toContain(SECRET);
    expect((await rows()).map(({ within }) => within)).toEqual(expect.arrayContaining(["window", null]));
    expect(await rows()).toHaveLength(2);
    expect(await submit(window)).toBe(ids[0]);
    expect(await submit(task({ within: "running" }, "sleep"), { headers })).toBe(ids[1]);
    expect(await submit(task({ within: "running" }, "sleep"))).not.toBe(ids[1]);
  });

  it("of a batch's task: it counts as what it was", async () => {
    const task = { type: "echo", payload: SECRET, queue };
    const { body } = await call("POST", path, { tasks: [task, task] });
    const counted = () => call("GET", `${path}?batch=${body.batch}&wait=20`);
    await counted();
    await erase(String(body.ids?.[1]));
    expect((await counted()).body).toMatchObject({ finished: 2, counts: { SUCCEEDED: 2 } });
  });
});

describe("227 DELETE is refused", () => {
  it("answers 409 while the task has not ended, and names the way out; 404 of an id that nobody gave out", async () => {
    const { body } = await call("POST", path, { type: "echo", payload: 1, queue, delaySeconds: 600 });
    const refused = await erase(String(body.id));
    expect(refused).toMatchObject({ status: 409, body: { code: "task-unfinished" } });
    expect(refused.body.detail).toContain("cancel");
    await call("POST", `${path}/${body.id}/cancel`);
    expect((await erase(String(body.id))).status).toBe(204);
    for (const id of [`${queue}.7.${"0".repeat(11)}`, "nonsense"])
      expect(await erase(id)).toMatchObject({ status: 404, body: { code: "task-unknown" } });
  });
});

describe("228 DELETE while D1 is away", () => {
  const without = (history: HistoryDatabase) => serviceWith(() => ({ history: () => history }));
  const away = without({
    prepare: (statement) => env.HISTORY_0.prepare(statement),
    batch: () => Promise.reject(new Error("D1_ERROR: D1 DB is overloaded")),
  });
  const hung = without({ prepare: (statement) => env.HISTORY_0.prepare(statement), batch: () => silence() });

  it.each([
    ["refuses", away],
    ["hangs", hung],
  ])("which %s: 503 within 3 s; the same call again does it", async (_, fetch) => {
    const id = await ended();
    const since = performance.now();
    const reply = await erase(id, fetch);
    expect(reply).toMatchObject({ status: 503, body: { code: "history-unavailable", retryable: true } });
    expect(performance.now() - since).toBeLessThan(3_000);
    expect((await erase(id)).status).toBe(204);
    expect(await inD1(id)).not.toContain(SECRET);
  });

  it("its shard's answer is lost: it is asked once more, as twice is once", async () => {
    const id = await ended();
    let asked = 0;
    const fetch = serviceWith((real) => ({
      shard: (at) => {
        const shard = real.shard(at);
        return altered(shard, {
          erase: async (request) => {
            const answer = await shard.erase(request);
            if (++asked === 1) throw new Error("lost");
            return answer;
          },
        });
      },
    }));
    expect([(await erase(id, fetch)).status, asked]).toEqual([204, 2]);
  });
});
