/** Lanes without a shard: whose task starts next, by turns or by age. */

import type { Fair } from "../../../core/fair.ts";
import type { Seq } from "../../../core/ids.ts";
import { type LaneKey, Lanes } from "../../../core/lanes.ts";
import { type OrderRules, pickLane, runnableBands } from "../../../core/pick.ts";

export const NOW = Date.UTC(2026, 0, 1);

/** Lanes from which task after task is started. */
export class Queue {
  readonly lanes = new Lanes();
  #order: OrderRules;
  #seq = 0;

  constructor(order: Partial<OrderRules>) {
    this.#order = { fair: null, ageStepMs: null, ...order };
  }

  /** As a shard does that lost its memory. */
  beginTurns(fair: Fair): void {
    this.#order = { ...this.#order, fair };
    for (const lane of this.lanes.all()) this.lanes.setTurn(lane, 0);
  }

  /** @param since what their age counts from, where they were put off */
  wait(count: number, patch: Partial<LaneKey>, seq?: number, since?: Seq): void {
    const key: LaneKey = {
      priority: 5,
      type: "echo",
      version: 1,
      limitKey: null,
      fairnessKey: null,
      mode: "normal",
      ...patch,
    };
    const lane = this.lanes.find(key) ?? this.lanes.add(this.lanes.size + 1, key);
    for (let i = 0; i < count; i++) this.lanes.enqueue(lane, (seq === undefined ? ++this.#seq : seq + i) as Seq, since);
  }

  /** @returns the key of the task that starts, its window refilled as SQL would */
  start(now = NOW): LaneKey | null {
    const rules = { paused: false, knows: () => true, solo: false, limits: null, now, ...this.#order };
    const lane = pickLane(runnableBands(this.lanes, rules), true, this.lanes, rules);
    if (!lane) return null;
    this.lanes.take(lane);
    if (this.lanes.isShort(lane)) {
      const next = Array.from({ length: Math.min(128, lane.count) }, (_, i) => lane.edge + 1 + i);
      this.lanes.refill(lane, next as Seq[]);
    }
    this.#order.fair?.started(lane.key);
    return lane.key;
  }

  has(fairnessKey: string): boolean {
    return [...this.lanes.all()].some(({ key, count }) => key.fairnessKey === fairnessKey && count > 0);
  }

  starts(count: number): string[] {
    return Array.from({ length: count }, () => this.start()?.fairnessKey ?? "");
  }
}
