/**
 * Asks a task's shard to change it, and finds the task where its shard has it no more. A change that does the same the
 * second time is tried again where no answer came, as a read is; any other is `outcome-unknown` then.
 */
import { Problem } from "../../core/errors.ts";
import type { Seq, TenantName } from "../../core/ids.ts";
import type { ShardRpc, TaskAnswer } from "../../core/schema/rpc.ts";
import { answered, ask, deadlineOf, timeLeft } from "../../reads/ask.ts";
import { type Found, foundAt, isFound, locate, type Missing, readKept } from "../../reads/find-tasks.ts";
import type { Door } from "../door.ts";

export interface Change {
  readonly isRepeatable: boolean;
  /** Asks the shard. */
  make(shard: ShardRpc, seq: Seq): Promise<TaskAnswer>;
}

/** The task as it is after that, wherever it is (`isKept`: its shard has it no more). @throws Problem where it is nowhere, or the shard refuses */
export async function changeTask(
  door: Door,
  tenant: TenantName,
  id: string,
  change: Change,
): Promise<Found & { readonly isKept: boolean }> {
  const { ports, log } = door;
  const deadline = deadlineOf(ports);
  const located = await locate(door, tenant, id, deadline);
  if ("code" in located) throw problemOf(located);
  const { at, seq } = located;
  const whom = `Shard ${at.shard} of ${at.queue}`;
  const lost = change.isRepeatable ? "unavailable" : "outcome-unknown";
  const tell = () =>
    ask(ports, log, { whom, ms: timeLeft(ports, deadline), lost }, () => change.make(ports.shard(at), seq));
  const first = await tell();
  const isAgain = !first.ok && first.code === "unavailable" && change.isRepeatable && ports.now() < deadline;
  const { task } = answered(isAgain ? await tell() : first);
  const [kept] = task === null ? await readKept(door, located, [seq], { texts: false, deadline }) : [foundAt(at, task)];
  if (kept !== undefined && isFound(kept)) return { ...kept, isKept: task === null };
  throw problemOf(kept ?? { code: "task-unknown", detail: id });
}

function problemOf({ code, detail }: Missing): Problem {
  return new Problem(code, detail);
}
