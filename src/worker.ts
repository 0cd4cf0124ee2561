/**
 * The Worker, from its parts: what ships takes the platform's ports and the registry, tests take the same with faults
 * and more types. The door is made at the first event of an isolate and kept, for what it remembers.
 */
import type { Registry } from "../consumers/handlers/compose.ts";
import { handleQueue } from "../consumers/index.ts";
import type { Ports } from "../core/ports.ts";
import type { Env } from "../ports.ts";
import { createApp } from "./app.ts";
import { createDoor } from "./door.ts";
import { serve } from "./middleware/serve.ts";
import { runScheduled } from "./scheduled.ts";

export interface WorkerParts {
  readonly ports: (env: Env) => Ports;
  readonly registry: Registry;
}

export interface SluiceWorker {
  fetch(request: Request, env: Env): Promise<Response>;
  queue(batch: MessageBatch<unknown>, env: Env, ctx: ExecutionContext): Promise<void>;
  scheduled(controller: ScheduledController, env: Env): Promise<void>;
}

export function createWorker({ ports, registry }: WorkerParts): SluiceWorker {
  let made: ReturnType<typeof make> | undefined;
  const make = (env: Env) => {
    const door = createDoor({ ports: ports(env), registry, env });
    return { door, app: createApp(door) };
  };
  const of = (env: Env) => {
    made ??= make(env);
    return made;
  };
  return {
    fetch(request, env) {
      const { door, app } = of(env);
      return serve(door, app, request);
    },
    async queue(batch, env, ctx) {
      const { door } = of(env);
      await handleQueue(batch, env, ctx, {
        ports: door.ports,
        registry,
        env: { ...env },
        log: door.log,
        drainMs: door.env.drainMs,
      });
    },
    async scheduled(controller, env) {
      const { door } = of(env);
      await runScheduled(controller.cron, door.ports, door.log, door.env.drainMs);
    },
  };
}
