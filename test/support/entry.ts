/**
 * The Worker of the system tests: the one that ships, made of the same parts, with faults at its ports that a test steers
 * over HTTP, counters on its shards, and more task types. What is tested goes through the shipped code.
 *   PATCH /__faults/{queue} {…}          changes that queue's faults (test/support/entry/faults.ts)
 *   POST  /__faults/{queue}/tickets      sends the tickets that were held back
 *   POST  /__counts/{queue}              takes the counts of the queue's first shard
 */
import { composeRegistry } from "../../consumers/handlers/compose.ts";
import { HANDLERS } from "../../consumers/handlers/registry.ts";
import { DEFAULT_TENANT, parseShardName, type QueueName, shardName } from "../../core/ids.ts";
import { Directory as ShippedDirectory } from "../../durable-objects/directory.ts";
import { LiveFeed as ShippedFeed } from "../../durable-objects/live-feed.ts";
import { QueueShard as ShippedShard } from "../../durable-objects/queue-shard.ts";
import { WorkflowRun as ShippedRun } from "../../durable-objects/workflow-run.ts";
import { type Env, platformPorts } from "../../ports.ts";
import { createWorker, type SluiceWorker } from "../../src/worker.ts";
import { CountedObject, takeCounts } from "./entry/counted.ts";
import { DOOR, type Faults, faultsOf, takeHeld } from "./entry/faults.ts";
import { faultyPorts } from "./entry/faulty-ports.ts";
import { TEST_HANDLERS } from "./entry/handlers.ts";

const REGISTRY = composeRegistry([...HANDLERS, ...TEST_HANDLERS]);

export class QueueShard extends ShippedShard {
  readonly #counted: CountedObject;

  constructor(ctx: DurableObjectState, env: Env) {
    const name = ctx.id.name ?? "";
    const { queue } = parseShardName(name);
    setAlarmsBy(ctx.storage, queue);
    const counted = new CountedObject(name, ctx.storage);
    super(ctx, env, faultyPorts(platformPorts(env, REGISTRY), queue));
    this.#counted = counted;
  }

  override alarm(): Promise<void> {
    this.#counted.rang();
    return super.alarm();
  }
}

export class Directory extends ShippedDirectory {
  constructor(ctx: DurableObjectState, env: Env) {
    setAlarmsBy(ctx.storage, DOOR);
    super(ctx, env, faultyPorts(platformPorts(env, REGISTRY), DOOR));
  }
}

export class LiveFeed extends ShippedFeed {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, faultyPorts(platformPorts(env), DOOR));
  }
}

export class WorkflowRun extends ShippedRun {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, faultyPorts(platformPorts(env, REGISTRY), DOOR));
  }
}

/** The platform that wakes an object has the object's clock. */
function setAlarmsBy(storage: DurableObjectStorage, queue: string): void {
  const setAlarm = storage.setAlarm.bind(storage);
  storage.setAlarm = (at, options) => setAlarm(Number(at) - faultsOf(queue).clockMs, options);
  const getAlarm = storage.getAlarm.bind(storage);
  storage.getAlarm = async () => {
    const at = await getAlarm();
    return at === null ? null : at + faultsOf(queue).clockMs;
  };
}

const shipped = createWorker({ ports: (env) => faultyPorts(platformPorts(env, REGISTRY), DOOR), registry: REGISTRY });

const worker: SluiceWorker = {
  ...shipped,
  fetch: (request, env) => (request.url.includes("/__") ? steer(request, env) : shipped.fetch(request, env)),
};
export default worker;

async function steer(request: Request, env: Env): Promise<Response> {
  const [, about, queue = "", what] = new URL(request.url).pathname.split("/");
  switch (`${request.method} ${about} ${what ?? ""}`) {
    case "PATCH __faults ":
      return Response.json(Object.assign(faultsOf(queue), await request.json<Partial<Faults>>()));
    case "POST __faults tickets": {
      const held = takeHeld(queue);
      for (const one of held) await platformPorts(env).sendTickets(one.queue, one.tickets);
      return Response.json({ sent: held.flatMap(({ tickets }) => tickets).length });
    }
    case "POST __counts ":
      return Response.json(takeCounts(shardName({ tenant: DEFAULT_TENANT, queue: queue as QueueName, shard: 0 })));
    default:
      return new Response(null, { status: 404 });
  }
}
