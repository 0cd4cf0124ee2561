/** A deployment of the day before: the Worker that ships, with the task type `greet` in its first version. */
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

const greet = defineHandler({
  type: "greet",
  version: 1,
  payload: z.strictObject({ name: z.string() }),
  run: ({ name }) => `1: ${name}`,
});

export default createWorker({ ports: platformPorts, registry: composeRegistry([...HANDLERS, greet]) });
