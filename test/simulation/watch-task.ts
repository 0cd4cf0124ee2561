/** Who follows a task, as a stream of its events does: each question goes on from what the last answer told. */
import type { Seq } from "../../core/ids.ts";
import { markOfRecord } from "../../core/mark.ts";
import type { Network } from "./network.ts";
import type { Tally } from "./tally.ts";
import type { Life } from "./timeline.ts";
import { must } from "./violation.ts";

interface WatchDeps {
  readonly network: Network;
  readonly tally: Tally;
}

export function watchTask(life: Life, deps: WatchDeps, seq: Seq, mark: string | null = null, times = 3): void {
  deps.network
    .call(life, "watch", { v: 1, seen: [[seq, mark]], waitMs: 5_000 })
    .then((answer) => {
      const [changed] = answer.ok ? answer.changed : [];
      if (!changed) return;
      deps.tally.count("watched");
      const told = changed.task && markOfRecord(changed.task);
      must(told !== mark || told === null, () => `task ${seq} was told as ${told}, as it was seen`);
      if (told !== null && times > 1) watchTask(life, deps, seq, told, times - 1);
    })
    .catch(() => {});
}
