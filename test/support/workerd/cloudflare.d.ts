/** What `cloudflare:workers` gives a test: the bindings of wrangler.toml, and the Worker that ships. */
declare namespace Cloudflare {
  interface Env extends Omit<ShippedEnv, "QUEUE_SHARD" | "DIRECTORY" | "LIVE_FEED" | "WORKFLOW_RUN"> {
    readonly HISTORY_0: D1Database;
    readonly HISTORY_1: D1Database;
    /** As the product sees them and as `cloudflare:test` does, which reaches inside. */
    readonly QUEUE_SHARD: DurableObjectNamespace<import("../../../durable-objects/queue-shard.ts").QueueShard> &
      ShippedEnv["QUEUE_SHARD"];
    readonly DIRECTORY: DurableObjectNamespace<import("../../../durable-objects/directory.ts").Directory> &
      ShippedEnv["DIRECTORY"];
    readonly LIVE_FEED: DurableObjectNamespace<import("../../../durable-objects/live-feed.ts").LiveFeed> &
      ShippedEnv["LIVE_FEED"];
    readonly WORKFLOW_RUN: DurableObjectNamespace<import("../../../durable-objects/workflow-run.ts").WorkflowRun> &
      ShippedEnv["WORKFLOW_RUN"];
  }
  interface GlobalProps {
    mainModule: typeof import("../../../src/index.ts");
  }
}
type ShippedEnv = import("../../../ports.ts").Env;
