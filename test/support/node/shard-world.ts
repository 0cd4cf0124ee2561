/** A world by hand over node:sqlite, in memory. */
import type { QueueSettings } from "../../../core/schema/queue-settings.ts";
import { nodeSql, openNodeSql } from "../../../durable-objects/sql/node.ts";
import { type ShardWorld, worldOver } from "../hand-world.ts";

export { type ShardWorld, START } from "../hand-world.ts";

export function makeWorld(settings: Partial<QueueSettings> = {}): ShardWorld {
  const { database } = openNodeSql();
  return worldOver(() => nodeSql(database), settings);
}
