/**
 * The Worker that the bench runs: the one that ships, with floors beside it under /bench/ and an object class that can
 * also be asked for its counts. What is measured goes through the shipped code; `/bench/` is looked at before it.
 */
import { REGISTRY } from "../../consumers/handlers/registry.ts";
import { platformPorts } from "../../ports.ts";
import { createWorker, type SluiceWorker } from "../../src/worker.ts";
import type { BenchEnv } from "./bench-rpc.ts";
import { createFloors, type Floors } from "./floors.ts";

export { Directory } from "../../durable-objects/directory.ts";
export { LiveFeed } from "../../durable-objects/live-feed.ts";
export { WorkflowRun } from "../../durable-objects/workflow-run.ts";
export { BenchShard as QueueShard } from "./bench-shard.ts";

const shipped = createWorker({ ports: platformPorts, registry: REGISTRY });
let floors: Floors | undefined;

const worker: SluiceWorker = {
  ...shipped,
  fetch(request, env) {
    if (!request.url.includes("/bench/")) return shipped.fetch(request, env);
    floors ??= createFloors(env as BenchEnv);
    return floors(request);
  },
};
export default worker;
