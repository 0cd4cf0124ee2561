/** The entry that ships: one Worker script with the front door, the consumers, the trigger and the objects. */
import { REGISTRY } from "../consumers/handlers/registry.ts";
import { platformPorts } from "../ports.ts";
import { createWorker } from "./worker.ts";

export { Directory } from "../durable-objects/directory.ts";
export { LiveFeed } from "../durable-objects/live-feed.ts";
export { QueueShard } from "../durable-objects/queue-shard.ts";
export { WorkflowRun } from "../durable-objects/workflow-run.ts";

export default createWorker({ ports: platformPorts, registry: REGISTRY });
