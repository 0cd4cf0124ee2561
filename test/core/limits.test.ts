/** Which tasks limits let start, against a count over all that waits and runs. */
import { describe, expect, it } from "vitest";
import type { Seq } from "../../core/ids.ts";
import { type LaneKey, Lanes } from "../../core/lanes.ts";
import { hasLimits, type Limited, Limits } from "../../core/limits.ts";
import { countRunnable, pickLane, runnableBands } from "../../core/pick.ts";
import { DEFAULT_SETTINGS, type QueueSettings } from "../../core/schema/queue-settings.ts";
import type { Level } from "../../core/token-bucket.ts";
import { Random } from "../simulation/random.ts";

const UNAGED = { fair: null, ageStepMs: null };
const NOW = Date.UTC(2026, 0, 1);
const TYPES = ["echo", "sleep", "fail"] as const;
const KEYS = [null, "a", "b", "__proto__", "constructor"] as const;

interface Waiting extends Limited {
  readonly seq: number;
  readonly priority: number;
}

/** A shard's lanes and limits, and lists of all that waits and runs. */
class Both {
  readonly lanes = new Lanes();
  readonly waiting: Waiting[] = [];
  readonly running: Waiting[] = [];
  settings: QueueSettings = DEFAULT_SETTINGS;
  limits: Limits | null = null;

  readonly levels = new Map<string, Level>();

  known() {
    return { shard: 0, lanes: this.lanes, running: this.running, levels: this.levels };
  }

  configure(settings: Partial<QueueSettings>): void {
    this.settings = { ...DEFAULT_SETTINGS, ...settings };
    this.lanes.openAll();
    this.limits = hasLimits(this.settings) ? new Limits(this.settings, this.known(), NOW) : null;
  }

  enqueue(task: Waiting): void {
    const { type, limitKey, priority } = task;
    const key: LaneKey = { priority, type, version: 1, limitKey, fairnessKey: null, mode: "normal" };
    this.lanes.enqueue(this.lanes.find(key) ?? this.lanes.add(this.lanes.size + 1, key), task.seq as Seq);
    this.waiting.push(task);
    this.waiting.sort((a, b) => b.priority - a.priority || a.seq - b.seq);
  }

  get bands() {
    return runnableBands(this.lanes, { paused: false, knows: () => true, solo: false, limits: this.limits, now: NOW });
  }

  start(): number | null {
    const lane = pickLane(this.bands, true, this.lanes, { ...UNAGED, limits: this.limits, now: NOW });
    if (!lane) return null;
    const seq = this.lanes.take(lane);
    this.limits?.started(lane.key, NOW);
    const [task] = this.waiting.splice(
      this.waiting.findIndex((one) => one.seq === seq),
      1,
    );
    if (task) this.running.push(task);
    return seq;
  }

  end(index: number): void {
    const [task] = this.running.splice(index, 1);
    if (task) this.limits?.ended(task, NOW);
  }

  mayStart(task: Waiting): boolean {
    const { typeLimits, keyLimits, keyLimitOverrides } = this.settings;
    const count = (field: keyof Limited) => this.running.filter((one) => one[field] === task[field]).length;
    const ofType = typeLimits[task.type]?.concurrency ?? Number.POSITIVE_INFINITY;
    if (count("type") >= ofType) return false;
    if (task.limitKey === null) return true;
    const own = Object.hasOwn(keyLimitOverrides, task.limitKey) ? keyLimitOverrides[task.limitKey] : {};
    return count("limitKey") < ({ ...keyLimits, ...own }.concurrency ?? Number.POSITIVE_INFINITY);
  }
}

describe("237 limits of types and keys", () => {
  it("the best task that may start is the next, and none is where none may, whatever starts, ends and changes", () => {
    for (let seed = 0; seed < 150; seed++) {
      const random = new Random(seed, "limits");
      const both = new Both();
      const limit = () => ({ concurrency: random.chance(0.2) ? null : random.between(1, 3) });
      let held = 0;
      for (let step = 0; step < 200; step++) {
        const act = random.weighted({ enqueue: 4, start: 5, end: 3, configure: 0.3 });
        if (act === "enqueue") {
          const task = { type: random.pick(TYPES), limitKey: random.pick(KEYS), priority: random.between(4, 6) };
          both.enqueue({ ...task, seq: step + 1 });
        } else if (act === "end") {
          if (both.running.length > 0) both.end(random.between(0, both.running.length - 1));
        } else if (act === "start") {
          const best = both.waiting.find((task) => both.mayStart(task))?.seq ?? null;
          if (best === null && both.waiting.length > 0) held++;
          expect(both.start()).toBe(best);
        } else {
          both.configure({
            typeLimits: random.chance(0.5) ? { [random.pick(TYPES)]: limit() } : {},
            keyLimits: random.chance(0.7) ? limit() : {},
            keyLimitOverrides: random.chance(0.5) ? { [random.pick(KEYS) ?? "a"]: limit() } : {},
          });
        }
        const ready = both.waiting.filter((task) => both.mayStart(task)).length;
        const counted = countRunnable(both.bands, { limits: both.limits, now: NOW }, 1_000);
        expect([counted > 0, counted <= both.waiting.length]).toEqual([ready > 0, true]);
      }
      if (seed === 0) expect(held).toBeGreaterThan(0);
    }
  });

  it("a type's limit is in whole shares over shards, a key's is whole", () => {
    const settings = {
      ...DEFAULT_SETTINGS,
      shards: 3,
      typeLimits: { echo: { concurrency: 7 } },
      keyLimits: { concurrency: 2 },
    };
    const rooms = [0, 1, 2].map((shard) => {
      const limits = new Limits(settings, { shard, lanes: new Lanes(), running: [], levels: new Map() }, NOW);
      return [limits.typeRoom("echo", NOW), limits.keyRoom("k", NOW)];
    });
    expect(rooms).toEqual([
      [3, 2],
      [2, 2],
      [2, 2],
    ]);
  });
});

it("242 a shard's burst is no less than 1, though its share of the whole would be none", () => {
  const settings = { ...DEFAULT_SETTINGS, shards: 4, rate: { limit: 4, periodMs: 1_000 } };
  const room = (shard: number) =>
    new Limits(settings, { shard, lanes: new Lanes(), running: [], levels: new Map() }, NOW).queueRoom(NOW);
  expect([0, 1, 2, 3].map(room)).toEqual([1, 1, 1, 1]);
});
