/** A purge at the door: portions over a shard that is being filled, and what of it may go wrong. */
import { beforeEach, describe, expect, it } from "vitest";
import type { DirectoryRpc } from "../../core/schema/directory-rpc.ts";
import type { ShardRpc } from "../../core/schema/rpc.ts";
import { call } from "../support/workerd/call.ts";
import { altered, serviceWith, silence } from "../support/workerd/service.ts";

const task = { type: "echo", payload: 1, queue: "heaped" };
const submit = (body: object = task) => call("POST", "/tasks/submissions", body);
const purge = (fetch?: (request: Request) => Promise<Response>, body?: unknown) =>
  call("POST", "/queues/heaped/purge", body, fetch && { fetch });

beforeEach(async () => {
  await call("PUT", "/queues/heaped", {});
  await call("POST", "/queues/heaped/pause");
  await purge();
});

describe("260 a purge", () => {
  it("of a queue that is being filled ends: what came after its first portion is not meant", async () => {
    await submit({ tasks: [task, task] });
    const asked: Parameters<ShardRpc["purge"]>[0][] = [];
    const service = serviceWith((real) => ({
      shard(address) {
        const stub = real.shard(address);
        const filled: ShardRpc["purge"] = async (request) => {
          asked.push(request);
          const answer = await stub.purge(request);
          await submit();
          return answer;
        };
        return altered(stub, { purge: filled });
      },
    }));
    expect((await purge(service)).body).toMatchObject({ purged: 2, more: false });
    expect(asked).toHaveLength(2);
    expect(asked[1]).toMatchObject({ after: expect.any(Number), upTo: expect.any(Number) });
    expect((await call("GET", "/queues/heaped")).body.counts).toMatchObject({ depth: 2 });
  });

  it("lets others have their turn between portions", async () => {
    await submit({ tasks: [task, task] });
    const order: string[] = [];
    const service = serviceWith((real) => ({
      later(ms, run) {
        return real.later(ms, () => {
          order.push("way");
          run();
        });
      },
      shard(address) {
        const stub = real.shard(address);
        const noted: ShardRpc["purge"] = (request) => {
          order.push("portion");
          return stub.purge(request);
        };
        return altered(stub, { purge: noted });
      },
    }));
    await purge(service);
    expect(order).toEqual(["portion", "way", "portion"]);
  });

  it.each<[string, DirectoryRpc["report"]]>([
    ["does not answer", silence],
    ["refuses", async () => ({ v: 1, ok: false, code: "internal", detail: "no" })],
  ])("tells its count though the Directory %s when it is told of it", async (_, report) => {
    await submit();
    const service = serviceWith((real) => ({
      directory: (tenant) => altered(real.directory(tenant), { report }),
    }));
    const startedAt = Date.now();
    expect(await purge(service)).toMatchObject({ status: 200, body: { purged: 1, more: false } });
    expect(Date.now() - startedAt).toBeLessThan(3_000);
  });

  it.each([[null], [[]], ["QUEUED"], [{ status: "QUEUED" }], [{ status: null }], [{ state: ["QUEUED"] }]])(
    "199 with a body that is not one, %j, is 422, and nothing is purged",
    async (body) => {
      await submit();
      const reply = await purge(undefined, body);
      expect(reply).toMatchObject({ status: 422, body: { code: "invalid-request" } });
      expect(reply.body.errors).toHaveLength(1);
      expect((await call("GET", "/queues/heaped")).body.counts).toMatchObject({ depth: 1 });
    },
  );
});
