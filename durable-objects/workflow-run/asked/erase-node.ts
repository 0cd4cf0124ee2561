/**
 * The data of a node's task was deleted: what the run has of it goes too, its payload, its result and its error's words.
 * Told before its end is known here, it is remembered, and the end brings no result. Safe to repeat.
 */
import { utf8Bytes } from "../../../core/bytes.ts";
import type { TaskId } from "../../../core/ids.ts";
import type { Answer, Versioned } from "../../../core/schema/answer.ts";
import { keptResult, saveNode, specOf } from "../node-rows.ts";
import { type Run, withRun } from "../run.ts";
import { taskIdOf } from "../task-place.ts";

export function eraseNode(
  run: Run,
  { key, task }: Versioned & { readonly key: string; readonly task: TaskId },
): Answer<object> {
  return withRun(run, (memory) => {
    const node = memory.nodes[memory.byKey.get(key) ?? -1];
    const done = { v: 1, ok: true } as const;
    // An earlier task of the node failed and gave nothing; the payload is that of the one which it has now.
    if (!node?.at || node.isErased || node.retried.includes(task)) return done;
    const known = taskIdOf(node);
    if (known !== null && known !== task) return done;
    const spec = specOf(run.sql, node);
    if (spec.kind !== "task") return done;
    run.transact(() => {
      memory.bytes -= utf8Bytes(keptResult(run.sql, node) ?? "");
      node.isErased = true;
      if (node.message !== null) node.message = "";
      const erased = { ...spec, task: { ...spec.task, payload: "null", refers: false }, erased: true } as const;
      saveNode(run.sql, node, { spec: erased, told: { result: null, spawned: null } });
    });
    return done;
  });
}
