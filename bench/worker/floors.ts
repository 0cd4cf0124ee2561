/**
 * What the product is held against, in the same process and the same run. `hello`: a plain answer, nothing around it.
 * `empty`: the door's own middleware (request id, problems, log line), the same reading of the body, the same way to an
 * object, and an object that does nothing. `insert`: the same with one unbatched INSERT a call.
 * And `shard`: what a scenario asks of an object.
 */
import { Hono } from "hono";
import { REGISTRY } from "../../consumers/handlers/registry.ts";
import { DEFAULT_TENANT, type QueueName, type ShardAddress, shardName } from "../../core/ids.ts";
import type { Answer } from "../../core/schema/answer.ts";
import { platformPorts } from "../../ports.ts";
import { answered, ask, deadlineOf, timeLeft } from "../../reads/ask.ts";
import { type Ctx, createDoor, type DoorBindings } from "../../src/door.ts";
import { json } from "../../src/middleware/answer.ts";
import { readJson } from "../../src/middleware/read-body.ts";
import { onError, serve } from "../../src/middleware/serve.ts";
import type { BenchEnv, BenchRpc } from "./bench-rpc.ts";
import type { FillRequest, TurnsRequest } from "./requests.ts";

export type Floors = (request: Request) => Promise<Response>;

/** An answer of the size that a submission has. */
const ACCEPTED = { id: "floor.0.01kabcdefgh", queue: "floor", status: "QUEUED", createdAt: "2026-01-01T00:00:00.000Z" };
const LONG_WORK_MS = 300_000;

export function createFloors(env: BenchEnv): Floors {
  const ports = platformPorts(env);
  const door = createDoor({ ports, registry: REGISTRY, env });
  const objectOf = (queue: string): BenchRpc => env.QUEUE_SHARD.getByName(shardName(addressOf(queue)));

  const askFloor = async <T>(question: () => Promise<Answer<T>>) => {
    const ms = timeLeft(ports, deadlineOf(ports));
    return answered(await ask(ports, door.log, { whom: "the floor", ms, lost: "outcome-unknown" }, question));
  };
  const askShard = async <T>(question: () => Promise<Answer<T>>) =>
    answered(await ask(ports, door.log, { whom: "the shard", ms: LONG_WORK_MS, lost: "unavailable" }, question));
  const bodyOf = (c: Ctx) => readJson(c.req.raw, door.env.bodyLimit);

  const app = new Hono<DoorBindings>();
  app.onError(onError);
  app.get("/bench/empty", async () => {
    await askFloor(() => objectOf("floor-empty").empty({ v: 1 }));
    return json(ACCEPTED);
  });
  app.post("/bench/empty", async (c) => {
    await bodyOf(c);
    await askFloor(() => objectOf("floor-empty").empty({ v: 1 }));
    return json(ACCEPTED, 202, { location: `/tasks/submissions/${ACCEPTED.id}` });
  });
  app.post("/bench/insert", async (c) => {
    const body = await bodyOf(c);
    await askFloor(() => objectOf("floor-insert").insert({ v: 1, text: JSON.stringify(body) }));
    return json(ACCEPTED, 202, { location: `/tasks/submissions/${ACCEPTED.id}` });
  });
  app.post("/bench/shard/:queue/:work", async (c) => {
    const shard = objectOf(c.req.param("queue"));
    const body = await bodyOf(c);
    switch (c.req.param("work")) {
      case "fill":
        return json(await askShard(() => shard.fill(body as FillRequest)));
      case "take-turns":
        return json(await askShard(() => shard.takeTurns(body as TurnsRequest)));
      case "start-counting":
        return json(await askShard(() => shard.startCounting({ v: 1 })));
      case "counted":
        return json(await askShard(() => shard.counted({ v: 1 })));
      default:
        return new Response(null, { status: 404 });
    }
  });

  return async (request) => (request.url.endsWith("/bench/hello") ? new Response("hello") : serve(door, app, request));
}

function addressOf(queue: string): ShardAddress {
  return { tenant: DEFAULT_TENANT, queue: queue as QueueName, shard: 0 };
}
