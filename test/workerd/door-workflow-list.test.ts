/** Workflows where an answer or D1 is lost, and the list of runs. */
import { describe, expect, it, vi } from "vitest";
import type { Ports } from "../../core/ports.ts";
import type { WorkflowRpc } from "../../core/schema/workflow-rpc.ts";
import { call, type Json } from "../support/workerd/call.ts";
import { serviceWith, silence } from "../support/workerd/service.ts";

const echo = { type: "echo", payload: 1 };
const fails = { type: "fail", payload: { times: 9 }, retry: { maxAttempts: 1 } };
const PATIENCE = { timeout: 10_000, interval: 20 };
const listOf = (value: Json | undefined): readonly Json[] => value ?? [];
const create = (body: object, headers = {}) => call("POST", "/workflows", body, { headers });
async function ended(body: object): Promise<Json> {
  const { id } = (await create(body)).body;
  return (await call("GET", `/workflows/${String(id)}?wait=20`)).body;
}

describe("316 the list of runs", () => {
  it("is told by pages, the newest first, narrowed by name and status", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push(String((await ended({ name: "listed", chain: [echo] })).id));
    await ended({ name: "listed", chain: [fails] });
    await allListed("listed", 4);
    const query = "/workflows?name=listed&status=SUCCEEDED&limit=2";
    const first = await call("GET", query);
    const second = await call("GET", `${query}&cursor=${String(first.body.cursor)}`);
    expect([...listOf(first.body.workflows), ...listOf(second.body.workflows)].map(({ id }) => id)).toEqual(
      ids.toReversed(),
    );
    expect(second.body.cursor).toBeNull();
    expect(listOf(first.body.workflows)[0]).toEqual({
      ...{ id: ids[2], name: "listed", status: "SUCCEEDED", nodes: 1 },
      ...{ createdAt: expect.any(String), endedAt: expect.any(String) },
    });
  });

  /** D1 hears of an end a moment later. */
  async function allListed(name: string, count: number): Promise<void> {
    await vi.waitFor(async () => {
      const runs = listOf((await call("GET", `/workflows?name=${name}`)).body.workflows);
      expect(runs.filter(({ endedAt }) => endedAt !== undefined)).toHaveLength(count);
    }, PATIENCE);
  }

  const failing = { bind: () => ({ run: () => Promise.reject(new Error("D1_ERROR: away")) }) };
  const hung = { bind: () => ({ run: silence }) };
  it.each<[string, object]>([
    ["is away", failing],
    ["hangs", hung],
  ])("315 is 503 where D1 %s, and a run is read all the same", async (_, statement) => {
    const id = String((await ended({ chain: [echo] })).id);
    const service = serviceWith((real) => ({
      history: (n) => {
        const database = real.history(n);
        return database && ({ ...database, prepare: () => statement } as ReturnType<Ports["history"]>);
      },
    }));
    const startedAt = Date.now();
    expect(await call("GET", "/workflows", undefined, { fetch: service })).toMatchObject({
      status: 503,
      body: { code: "history-unavailable" },
    });
    expect(Date.now() - startedAt).toBeLessThan(3_000);
    expect((await call("GET", `/workflows/${id}`, undefined, { fetch: service })).body.status).toBe("SUCCEEDED");
  });
});

describe("301 an answer that is lost", () => {
  const lossy = serviceWith((real) => ({
    workflow: (tenant, id) => {
      const stub = real.workflow(tenant, id);
      const create: WorkflowRpc["create"] = async (request) => {
        await stub.create(request);
        throw new Error("lost");
      };
      return new Proxy(stub, {
        get: (it, name, receiver) => (name === "create" ? create : Reflect.get(it, name, receiver)),
      });
    },
  }));

  it("is 503 outcome-unknown without a key, and unavailable with one, which finds the run", async () => {
    const body = { chain: [echo] };
    expect(await call("POST", "/workflows", body, { fetch: lossy })).toMatchObject({
      status: 503,
      body: { code: "outcome-unknown" },
    });
    const headers = { "idempotency-key": "lost-once" };
    expect(await call("POST", "/workflows", body, { headers, fetch: lossy })).toMatchObject({
      status: 503,
      body: { code: "unavailable" },
    });
    const again = await create(body, headers);
    expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([202, "true"]);
  });
});
