/** A queue that was deleted and made again, at a door that knows the old one: keys go where the new one has them. */
import { describe, expect, it } from "vitest";
import { call, type Reply } from "../support/workerd/call.ts";
import { altered, serviceWith, silence } from "../support/workerd/service.ts";

/** A door that has heard of the queue as it was; `silenced` is the Directory from now on. */
async function doorBefore(queue: string) {
  const state = { silenced: false };
  const fetch = serviceWith((real) => ({
    later: (ms, run) => real.later(ms / 20, run),
    directory: (tenant) => {
      const stub = real.directory(tenant);
      return altered(stub, { lookup: (request) => (state.silenced ? silence() : stub.lookup(request)) });
    },
  }));
  const submit = (body: unknown): Promise<Reply> => call("POST", "/tasks/submissions", body, { fetch });
  await call("PUT", `/queues/${queue}`, { keyShards: 16 });
  await call("POST", `/queues/${queue}/pause`);
  // All of the old shards have heard of their queue, so all will hear of its end.
  await submit({ atomic: false, tasks: keysOf(queue) });
  expect((await call("DELETE", `/queues/${queue}?force=true`)).status).toBe(204);
  return { state, submit };
}

const keysOf = (queue: string) => Array.from({ length: 40 }, (_, i) => keyed(queue, `k${i}`));
const keyed = (queue: string, key: string) => ({
  ...{ type: "echo", payload: 1, queue },
  unique: { by: "key", key, within: "running" },
});
const shardsOf = (ids: readonly unknown[]) => new Set(ids.map((id) => String(id).split(".")[1]));

async function remake(queue: string): Promise<void> {
  await call("PUT", `/queues/${queue}`, {});
  await call("POST", `/queues/${queue}/pause`);
}

describe("258 206 a queue that was made again with other keyShards", () => {
  it("takes each key once, whichever door it comes to", async () => {
    const queue = "remade";
    const { submit } = await doorBefore(queue);
    await remake(queue);
    const here = await Promise.all(keysOf(queue).map((task) => call("POST", "/tasks/submissions", task)));
    const there = await submit(keysOf(queue)[7]);
    expect([there.status, there.body]).toMatchObject([202, { id: here[7]?.body.id, duplicate: true }]);
    expect(shardsOf(here.map(({ body }) => body.id))).toEqual(new Set(["0"]));
  });

  it("of a batch whose keys had several shards each goes where it goes now", async () => {
    const queue = "remade-apart";
    const { submit } = await doorBefore(queue);
    await remake(queue);
    const { body } = await submit({ atomic: false, tasks: keysOf(queue) });
    expect(body).toMatchObject({ accepted: 40 });
    expect(shardsOf(body.results?.map(({ id }) => id) ?? [])).toEqual(new Set(["0"]));
  });

  it("where the Directory is silent it is 503 and nothing is written; the same again is taken", async () => {
    const queue = "remade-silent";
    const { state, submit } = await doorBefore(queue);
    await remake(queue);
    state.silenced = true;
    const refused = await submit(keyed(queue, "k1"));
    expect([refused.status, refused.body.code, refused.headers.get("retry-after")]).toEqual([503, "unavailable", "1"]);
    expect((await call("GET", `/queues/${queue}`)).body.counts).toMatchObject({ depth: 0 });
    state.silenced = false;
    const taken = await submit(keyed(queue, "k1"));
    expect([taken.status, [...shardsOf([taken.body.id])]]).toEqual([202, ["0"]]);
  });

  it("one that was not made again is 404", async () => {
    const { submit } = await doorBefore("unmade");
    expect(await submit(keyed("unmade", "k1"))).toMatchObject({ status: 404, body: { code: "queue-unknown" } });
  });
});
