/** Lanes, against a list that is sorted anew each time. */
import { describe, expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import { WINDOW } from "../../core/lane-window.ts";
import { type Lane, type LaneKey, Lanes, laneText } from "../../core/lanes.ts";
import { pickLane, runnableBands } from "../../core/pick.ts";
import { Random } from "../simulation/random.ts";

const key = (patch: Partial<LaneKey> = {}): LaneKey => ({
  priority: 5,
  type: "echo",
  version: 1,
  limitKey: null,
  fairnessKey: null,
  mode: "normal",
  ...patch,
});
const ANY = { paused: false, knows: () => true, solo: false, limits: null, fair: null, ageStepMs: null, now: 0 };

/** A lane, and the list of all that waits in it: what SQL would know. */
class Both {
  readonly lanes = new Lanes();
  readonly lane: Lane;
  readonly waiting: number[] = [];

  constructor() {
    this.lane = this.lanes.add(1, key());
  }

  enqueue(seq: number): void {
    this.lanes.enqueue(this.lane, seq as Seq);
    this.waiting.push(seq);
    this.waiting.sort((a, b) => a - b);
  }

  run(first: number, count: number): void {
    this.lanes.enqueueRun(this.lane, first as Seq, count);
    for (let i = 0; i < count; i++) this.waiting.push(first + i);
  }

  take(): number {
    const seq = this.lanes.take(this.lane);
    this.#refill();
    return seq;
  }

  withdraw(seq: number): void {
    this.lanes.withdraw(this.lane, seq as Seq);
    this.waiting.splice(this.waiting.indexOf(seq), 1);
    this.#refill();
  }

  #refill(): void {
    if (this.lanes.isShort(this.lane)) {
      const { edge } = this.lane;
      const next = this.waiting.filter((one) => one > edge).slice(0, WINDOW);
      this.lanes.refill(this.lane, next as Seq[]);
    }
  }
}

describe("118 a lane", () => {
  it("gives the oldest first, however its tasks came and went: in runs, singly, from long ago, 216 out of its middle", () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = new Random(seed, "lanes");
      const both = new Both();
      let newest = 1_000;
      const free = new Set(Array.from({ length: 900 }, (_, i) => i + 1));
      for (let step = 0; step < 300; step++) {
        const act = random.weighted({ run: 1, next: 3, old: 2, take: 5, withdraw: 2 });
        if (act === "run") {
          const count = random.between(1, 2 * WINDOW);
          both.run(newest + 1, count);
          newest += count;
        } else if (act === "next") both.enqueue(++newest);
        else if (act === "old") {
          const old = [...free][random.between(0, free.size - 1)];
          if (old === undefined || !free.delete(old)) continue;
          both.enqueue(old);
        } else if (act === "withdraw") {
          const [first, ...others] = both.waiting;
          if (first !== undefined) both.withdraw(random.pick([first, ...others]));
        } else if (both.waiting.length > 0) expect(both.take()).toBe(both.waiting.shift());
        expect(both.lanes.queued).toBe(both.waiting.length);
      }
    }
  });

  it("lets go of what was taken, also where it is never empty", () => {
    const lanes = new Lanes();
    const lane = lanes.add(1, {
      priority: 5,
      type: "t",
      version: 1,
      limitKey: null,
      fairnessKey: null,
      mode: "normal",
    });
    for (let seq = 1; seq <= 100_000; seq++) {
      lanes.enqueue(lane, seq as Seq);
      if (seq > 20) expect(lanes.take(lane)).toBe(seq - 20);
    }
    expect(lane.window.length).toBeLessThan(3 * WINDOW);
  });

  it("says so where SQL and its count disagree", () => {
    const both = new Both();
    both.run(1, WINDOW + 1);
    for (let i = 0; i < WINDOW; i++) both.lanes.take(both.lane);
    expect(() => both.lanes.refill(both.lane, [])).toThrow("counts 1 tasks, but SQL has none");
  });

  it("is found by its key, and a suspect's counts apart", () => {
    const lanes = new Lanes();
    const normal = lanes.add(1, key(), 3, 7 as Seq);
    const solo = lanes.add(2, key({ mode: "solo" }), 2, 5 as Seq);
    expect(lanes.find(key())).toBe(normal);
    expect([lanes.queued, lanes.solo, lanes.size]).toEqual([5, 2, 2]);
    lanes.remove(solo);
    expect(lanes.find(key({ mode: "solo" }))).toBeUndefined();
  });

  it("has a key that no two different ones share", () => {
    const keys = [
      key(),
      key({ type: '1","x' }),
      key({ version: 2 }),
      key({ limitKey: "a" }),
      key({ fairnessKey: "a" }),
    ];
    expect(new Set(keys.map(laneText)).size).toBe(keys.length);
  });
});

describe("which lane is next", () => {
  function lanesOf(...list: [head: number, patch: Partial<LaneKey>][]) {
    const lanes = new Lanes();
    for (const [i, [head, patch]] of list.entries()) lanes.add(i + 1, key(patch), 1, head as Seq);
    const pick = (rules: Partial<typeof ANY> = {}, free = true) =>
      pickLane(runnableBands(lanes, { ...ANY, ...rules }), free, lanes, ANY)?.no ?? null;
    return pick;
  }

  it("117 the highest priority, however old the others; 118 then the oldest head", () => {
    expect(lanesOf([1, { priority: 4 }], [9, { priority: 6 }], [5, { priority: 6, type: "sleep" }])()).toBe(3);
  });

  it("119 none that is unknown, paused, or of the other kind", () => {
    const pick = lanesOf([1, { type: "new" }], [2, { mode: "solo" }], [3, {}]);
    expect(pick({ knows: (type: string) => type !== "new" } as Partial<typeof ANY>)).toBe(3);
    expect(pick({ solo: true })).toBe(2);
    expect(pick({ paused: true })).toBeNull();
  });

  it("238 none of a limitKey that is closed, of whatever priority and type, until it is open again", () => {
    const lanes = new Lanes();
    const kinds = [{ priority: 5 }, { priority: 9 }, { priority: 9, type: "sleep" }, { priority: 1 }];
    for (const [i, patch] of kinds.entries()) lanes.add(i + 1, key({ ...patch, limitKey: "a" }), 1, (i + 1) as Seq);
    lanes.add(9, key({ priority: 0, limitKey: "b" }), 1, 9 as Seq);
    const pick = () => pickLane(runnableBands(lanes, ANY), true, lanes, ANY)?.no;
    lanes.close("a");
    expect(pick()).toBe(9);
    lanes.open("a");
    expect(pick()).toBe(2);
  });

  it("130 a careful one only into a free slot, and it holds nobody back", () => {
    const pick = lanesOf([1, { mode: "careful", priority: 9 }], [2, {}]);
    expect(pick({}, true)).toBe(1);
    expect(pick({}, false)).toBe(2);
  });
});
