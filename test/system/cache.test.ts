/** The result cache, over HTTP on the whole service: a hit, a refresh, a purge, and what a SIGKILL leaves of it. */
import { expect, it } from "vitest";
import type { Task } from "../../core/task.ts";
import { hostService } from "../support/node/host-service.ts";

const { service, client } = await hostService();

interface Submitted {
  readonly id: string;
  readonly cached?: true;
  readonly source?: string;
}

const path = "/tasks/submissions";
const send = (more: object = {}) =>
  client.call<Submitted>("POST", path, { type: "factorial", payload: { n: 20 }, ...more });
const end = async (id: string) => await client.expect<Task>(200, "GET", `${path}/${id}?wait=20`);

it("E19 292 293 a type keeps its results, over a SIGKILL and until it is purged", async () => {
  await client.putQueue("numbers", { keyShards: 2 });
  await client.expect(200, "PUT", "/types/factorial", { queue: "numbers", cacheTtlSeconds: 600 });
  const first = await send();
  expect(first.status).toBe(202);
  expect(await end(first.body.id)).toMatchObject({ status: "SUCCEEDED" });
  const result = await client.expect<{ result: unknown }>(200, "GET", `/tasks/${first.body.id}`);

  const hit = await send();
  expect([hit.status, hit.body.cached, hit.body.source]).toEqual([200, true, first.body.id]);
  await service.kill();
  await service.restart();
  for (const id of [hit.body.id, (await send()).body.id]) {
    const told = await client.expect<{ result: unknown; attempts: number }>(200, "GET", `/tasks/${id}`);
    expect(told).toMatchObject({ result: result.result, attempts: 0 });
  }

  const anew = await send({ cache: "refresh" });
  expect((await end(anew.body.id)).attempts).toHaveLength(1);
  expect((await send()).body.source).toBe(anew.body.id);
  expect(await client.expect(200, "POST", "/types/factorial/purge-cache")).toEqual({ type: "factorial", purged: 1 });
  expect((await send()).status).toBe(202);
});
