/** Dead letters over HTTP: of all shards of a queue together. */
import { beforeAll, describe, expect, it } from "vitest";
import { call, type Json } from "../support/workerd/call.ts";

const QUEUE = "broken";
/** As they were submitted. */
let ids: string[] = [];

beforeAll(async () => {
  await call("PUT", `/queues/${QUEUE}`, { shards: 3, retry: { maxAttempts: 1 } });
  const fail = { type: "fail", payload: { times: 9 }, queue: QUEUE, tags: ["nightly"] };
  const late = { type: "sleep", payload: { ms: 60_000 }, timeoutMs: 30, queue: QUEUE };
  const tasks = Array.from({ length: 24 }, (_, i) => (i % 4 === 0 ? late : fail));
  ids = await Promise.all(tasks.map(async (task) => String((await call("POST", "/tasks/submissions", task)).body.id)));
  for (const id of ids) expect((await call("GET", `/tasks/submissions/${id}?wait=20`)).body.status).toBe("FAILED");
});

async function walk(query: string): Promise<Json[]> {
  const all: Json[] = [];
  for (let cursor = ""; ; ) {
    const { status, body } = await call("GET", `/dead-letters?queue=${QUEUE}&${query}${cursor}`);
    expect(status).toBe(200);
    all.push(...(body.deadLetters ?? []));
    if (body.cursor === null) return all;
    cursor = `&cursor=${encodeURIComponent(String(body.cursor))}`;
  }
}

describe("dead letters", () => {
  it("266 are listed over all shards, each once, the newest first, whatever the page", async () => {
    for (const limit of [1, 5, 100]) {
      const all = await walk(`limit=${limit}`);
      expect(all.map(({ id }) => String(id)).sort()).toEqual([...ids].sort());
      const ends = all.map(({ endedAt }) => String(endedAt));
      expect(ends).toEqual([...ends].sort().toReversed());
    }
    const [first] = await walk("type=fail&limit=1");
    expect(first).toMatchObject({ type: "fail", tags: ["nightly"], attempts: 1, error: { code: "handler-error" } });
    expect(first?.error).not.toHaveProperty("stack");
    expect(await walk("code=timeout")).toHaveLength(6);
  });

  it("266 are searched by what their error or payload says, by tag and by the time of their end", async () => {
    expect(await walk("q=FAILED%20as")).toHaveLength(18);
    expect(await walk('q="ms"')).toHaveLength(6);
    expect(await walk("q=nowhere")).toEqual([]);
    expect(await walk("tag=nightly&type=fail")).toHaveLength(18);
    expect(await walk("tag=night")).toEqual([]);
    const [newest] = await walk("limit=1");
    const at = String(newest?.endedAt);
    expect((await walk(`from=${at}`)).length + (await walk(`to=${at}`)).length).toBe(24);
    const { body } = await call("GET", `/dead-letters/groups?queue=${QUEUE}&q=failed&to=${at}`);
    expect(body.groups).toHaveLength(1);
  });

  it("266 one is shown with its payload and attempts; what is none is 404", async () => {
    const { body } = await call("GET", `/dead-letters/${ids[1]}`);
    expect(body).toMatchObject({
      id: ids[1],
      status: "FAILED",
      payload: { times: 9 },
      attempts: [{ outcome: "failed" }],
    });
    for (const id of ["nonsense", "broken.0.06aa9ng0000", "none.0.06aa9ng0000"])
      expect(await call("GET", `/dead-letters/${id}`)).toMatchObject({
        status: 404,
        body: { code: "dead-letter-unknown" },
      });
  });

  it("267 are grouped by type and cause over all shards", async () => {
    const { body } = await call("GET", `/dead-letters/groups?queue=${QUEUE}`);
    expect(body).toMatchObject({
      more: false,
      groups: [
        { type: "fail", count: 18 },
        { type: "sleep", code: "timeout", count: 6 },
      ],
    });
    const first = await call("GET", `/dead-letters/groups?queue=${QUEUE}&limit=1`);
    expect(first.body.groups).toEqual(body.groups?.slice(0, 1));
    const { body: second } = await call(
      "GET",
      `/dead-letters/groups?queue=${QUEUE}&limit=1&cursor=${first.body.cursor}`,
    );
    expect(second).toMatchObject({ groups: body.groups?.slice(1), cursor: null });
    const [largest] = body.groups ?? [];
    expect(ids).toContain(largest?.example);
    expect(await walk(`fingerprint=${largest?.fingerprint}`)).toHaveLength(18);
  });

  it.each([
    ["GET", "/dead-letters", undefined, 422, "?queue"],
    ["GET", "/dead-letters?queue=broken&limit=101", undefined, 422, "?limit"],
    ["GET", "/dead-letters?queue=broken&cursor=x", undefined, 422, "?cursor"],
    ["GET", "/dead-letters?queue=broken&stat=x", undefined, 422, "?stat"],
    ["GET", "/dead-letters?queue=broken&from=noon", undefined, 422, "?from"],
    ["GET", "/dead-letters/groups?queue=broken&q=", undefined, 422, "?q"],
    ["GET", "/dead-letters/groups?queue=broken&cursor=x", undefined, 422, "?cursor"],
    ["POST", "/dead-letters/discard", { filter: {} }, 422, "/queue"],
    ["POST", "/dead-letters/discard", { queue: "broken" }, 422, "/filter"],
    ["POST", "/dead-letters/discard", { queue: "broken", filter: {}, asOf: "now" }, 422, "/asOf"],
    [
      "POST",
      "/dead-letters/discard",
      { queue: "broken", filter: { ids: ["other.0.06aa9ng0000"] } },
      422,
      "/filter/ids/0",
    ],
  ])("266 268 %s %s %j is %i", async (method, path, json, status, pointer) => {
    expect(await call(method, path, json)).toMatchObject({ status, body: { errors: [{ pointer }] } });
  });

  it("268 are discarded one by one and by a filter: as many as the dry run counted; history keeps what they were", async () => {
    expect((await call("DELETE", `/dead-letters/${ids[1]}`)).status).toBe(204);
    expect((await call("DELETE", `/dead-letters/${ids[1]}`)).body.code).toBe("dead-letter-unknown");
    expect((await call("GET", `/tasks/${ids[1]}`)).body).toMatchObject({ status: "FAILED" });
    const those = { queue: QUEUE, filter: { type: "fail" } };
    const { body: dry } = await call("POST", "/dead-letters/discard", { ...those, dryRun: true });
    expect(dry).toMatchObject({ queue: QUEUE, matched: 17, more: false });
    const done = await call("POST", "/dead-letters/discard", { ...those, asOf: dry.asOf });
    expect(done).toMatchObject({ status: 200, body: { discarded: 17, more: false } });
    expect(await walk("")).toHaveLength(6);
    expect((await call("GET", `/queues/${QUEUE}`)).body.counts).toMatchObject({ deadLetters: 6 });
  });
});
