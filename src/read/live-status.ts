/** What tasks of a run are by now: the run knows that one may run, its shard what became of it since. */
import type { TaskId, TenantName } from "../../core/ids.ts";
import type { NodeRecord } from "../../core/schema/workflow-rpc.ts";
import type { Status } from "../../core/status.ts";
import { openTasks } from "../../core/workflow/show-run.ts";
import { findTasks, isFound } from "../../reads/find-tasks.ts";
import type { Door } from "../door.ts";

/** By task, of the first `most` nodes that may run; one that can't be read now is left out. */
export async function liveStatuses(
  door: Door,
  tenant: TenantName,
  nodes: readonly NodeRecord[],
  most: number,
): Promise<ReadonlyMap<TaskId, Status>> {
  const open = openTasks(nodes, most);
  const found = await findTasks(door, tenant, open);
  return new Map(
    open.flatMap((task, i) => {
      const one = found[i];
      return one && isFound(one) ? [[task, one.record.status] as const] : [];
    }),
  );
}
