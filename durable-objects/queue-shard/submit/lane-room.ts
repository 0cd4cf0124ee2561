/** Whether the lanes that a group of submissions needs are there, or may be made. */
import { isKeyed, laneText } from "../../../core/lanes.ts";
import type { NewTask } from "../../../core/schema/rpc.ts";
import type { Shard } from "../shard.ts";
import { areLanesFull, reclaimLanes } from "../waiting/lane-rows.ts";
import { laneKeyFor } from "./insert-tasks.ts";

export class LaneRoom {
  readonly #shard: Shard;
  readonly #isDry: boolean;
  /** Those that the group would make. */
  readonly #new = new Set<string>();
  #last: NewTask | null = null;

  /** @param isDry nothing is to be written, not even what would make room */
  constructor(shard: Shard, isDry: boolean) {
    this.#shard = shard;
    this.#isDry = isDry;
  }

  /** Whether the task has one. Neighbours are mostly alike: only a change is looked up. */
  has(task: NewTask): boolean {
    const last = this.#last;
    const isAlike = last?.type === task.type && last.priority === task.priority && last.version === task.version;
    const hasSameKeys = last?.limitKey === task.limitKey && last?.fairnessKey === task.fairnessKey;
    if (isAlike && hasSameKeys && last.options === task.options) return true;
    const { lanes } = this.#shard.memory;
    const key = laneKeyFor(task);
    const text = laneText(key);
    if (isKeyed(key) && !lanes.find(key) && !this.#new.has(text)) {
      if (this.#areFull() && !this.#isDry && lanes.empty.size > 0)
        this.#shard.transact(() => reclaimLanes(this.#shard, this.#new.size));
      if (this.#areFull()) return false;
      this.#new.add(text);
    }
    this.#last = task;
    return true;
  }

  /** In a dry run empty lanes do not count: they would be reclaimed. */
  #areFull(): boolean {
    const reclaimable = this.#isDry ? this.#shard.memory.lanes.empty.size : 0;
    return areLanesFull(this.#shard, this.#new.size - reclaimable);
  }
}
