/**
 * How tasks travel to a shard. Neighbours that differ in their payload alone are one run: structured cloning writes and
 * reads every key of every object, 105 to 125 µs for 100 tasks one by one and 9 µs as a run (v8.serialize and back).
 * Must stay true: what is unpacked is what was packed, in order.
 */
import type { NewTask, PackedTask } from "./schema/rpc.ts";

/** Neighbours joined to runs; a task that stands alone, or has a key of its own, travels as it is. */
export function packTasks(tasks: readonly NewTask[]): readonly PackedTask[] {
  const packed: PackedTask[] = [];
  for (let start = 0; start < tasks.length; ) {
    const first = tasks[start];
    if (first === undefined) break;
    const payloads = [first.payload];
    let end = start + 1;
    for (let next = tasks[end]; next !== undefined && isAlike(first, next); next = tasks[++end])
      payloads.push(next.payload);
    if (payloads.length === 1) packed.push(first);
    else {
      const { payload: _, ...alike } = first;
      packed.push({ ...alike, payloads });
    }
    start = end;
  }
  return packed;
}

/** The tasks again. */
export function unpackTasks(packed: readonly PackedTask[]): readonly NewTask[] {
  const tasks: NewTask[] = [];
  for (const one of packed) {
    if ("payload" in one) {
      tasks.push(one);
      continue;
    }
    const { payloads, ...alike } = one;
    for (const payload of payloads) tasks.push({ ...alike, payload });
  }
  return tasks;
}

function isAlike(a: NewTask, b: NewTask): boolean {
  return (
    a.type === b.type &&
    a.priority === b.priority &&
    a.options === b.options &&
    a.runAt === b.runAt &&
    a.version === b.version &&
    a.limitKey === b.limitKey &&
    a.fairnessKey === b.fairnessKey &&
    a.expiresAt === b.expiresAt &&
    a.blocked === b.blocked &&
    a.cache === undefined &&
    b.cache === undefined &&
    a.dedup === undefined &&
    b.dedup === undefined
  );
}
