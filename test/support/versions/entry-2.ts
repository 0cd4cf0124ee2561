/** The deployment after it: `greet` takes several names, and upgrades what was submitted before. */
import { z } from "zod";
import { composeRegistry } from "../../../consumers/handlers/compose.ts";
import { defineHandler } from "../../../consumers/handlers/define.ts";
import { HANDLERS } from "../../../consumers/handlers/registry.ts";
import { platformPorts } from "../../../ports.ts";
import { createWorker } from "../../../src/worker.ts";

export { Directory } from "../../../durable-objects/directory.ts";
export { LiveFeed } from "../../../durable-objects/live-feed.ts";
export { QueueShard } from "../../../durable-objects/queue-shard.ts";
export { WorkflowRun } from "../../../durable-objects/workflow-run.ts";

const Older = z.strictObject({ name: z.string() });

const greet = defineHandler({
  type: "greet",
  version: 2,
  payload: z.strictObject({ names: z.array(z.string()).min(1) }),
  upgrade: (payload) => ({ names: [Older.parse(payload).name] }),
  run: ({ names }) => `2: ${names.join(" and ")}`,
});

export default createWorker({ ports: platformPorts, registry: composeRegistry([...HANDLERS, greet]) });
