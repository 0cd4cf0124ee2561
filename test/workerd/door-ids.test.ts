/** Ids that were never given out, or whose task only history could know. */
import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { parseTaskId, type QueueName, type Seq, taskId } from "../../core/ids.ts";
import { call } from "../support/workerd/call.ts";
import { serviceWith, silence } from "../support/workerd/service.ts";

beforeAll(async () => {
  await call("PUT", "/queues/held", {});
  await call("POST", "/queues/held/pause");
});

const submit = async (): Promise<string> =>
  String((await call("POST", "/tasks/submissions", { type: "echo", payload: 1, queue: "held" })).body.id);

describe("ids that nobody gave out", () => {
  it("116 are 404 and wake no object: queue, shard and moment must be real", async () => {
    const real = parseTaskId(await submit());
    if (real === null) throw new Error("the service gave out an id that is none");
    const tomorrow = taskId(real, (real.seq + 2 * 86_400_000 * 4_096) as Seq);
    await call("PUT", "/queues/fresh", { shards: 2 });
    const unborn = taskId({ queue: "fresh" as QueueName, shard: 1 }, (real.seq + 2 * 86_400_000 * 4_096) as Seq);
    const before = (await listDurableObjectIds(env.QUEUE_SHARD)).length;
    for (const id of [
      "x",
      "held.1.06aa9ng0000",
      "nowhere.0.06aa9ng0000",
      "held.63.06aa9ng0000",
      tomorrow,
      unborn,
      "held.0.06aa9ng0000x",
    ]) {
      expect(await call("GET", `/tasks/submissions/${id}`), id).toMatchObject({
        status: 404,
        body: { code: "task-unknown" },
      });
      expect(await call("GET", `/tasks/${id}`), id).toMatchObject({ status: 404 });
    }
    expect((await listDurableObjectIds(env.QUEUE_SHARD)).length).toBe(before);
  });

  it("162 one older than the queue's retention is 410, a newer one 404", async () => {
    const at = { queue: "held" as QueueName, shard: 0 };
    const aged = (days: number) =>
      call(
        "GET",
        `/tasks/submissions/${taskId(at, ((Date.now() - days * 86_400_000 - Date.UTC(2025, 0, 1)) * 4_096) as Seq)}`,
      );
    expect(await aged(31)).toMatchObject({ status: 410, body: { code: "task-expired-from-history" } });
    expect(await aged(29)).toMatchObject({ status: 404, body: { code: "task-unknown" } });
  });

  it("166 with history away they are 503, never 404", async () => {
    const hanging = serviceWith((real) => ({
      later: (ms, run) => real.later(ms / 50, run),
      history: (database) => {
        const bound = real.history(database);
        return (
          bound && {
            ...bound,
            prepare: () => ({ bind: () => ({ bind: silence, run: silence }) as never, run: silence }),
          }
        );
      },
    }));
    const reply = await call("GET", "/tasks/submissions/held.0.06aa9ng0000", undefined, { fetch: hanging });
    expect(reply).toMatchObject({ status: 503, body: { code: "history-unavailable", retryable: true } });
    expect(reply.headers.get("retry-after")).toBe("1");
  });

  it("166 a live task is read without D1", async () => {
    const id = await submit();
    const without = serviceWith(() => ({ history: () => null }));
    expect((await call("GET", `/tasks/submissions/${id}`, undefined, { fetch: without })).status).toBe(200);
  });
});
