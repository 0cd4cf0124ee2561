/** How long a key's few tasks wait behind many of another's, in virtual time: slots, durations, and when they come. */
import { describe, expect, it, test } from "vitest";
import { AHEAD_AFTER_IDLE, Fair } from "../../core/fair.ts";
import { Random } from "../simulation/random.ts";
import { Queue } from "../support/node/turns.ts";

interface Setting {
  readonly tasks: number;
  /** How many run at once. */
  readonly slots: number;
  readonly runMs: number;
}

/**
 * Waits (ms) of tasks of B that come at once.
 * @param others A's that wait already, and have all slots; 0: B is alone
 */
function waits(random: Random, { tasks, slots, runMs }: Setting, others: number): number[] {
  const queue = new Queue({ fair: new Fair({}) });
  queue.wait(others, { fairnessKey: "a" });
  queue.starts(Math.min(others, 50));
  // When each slot is free: B comes at any moment of what runs.
  const free = Array.from({ length: slots }, () => (others > 0 ? (random.between(0, 999) / 1_000) * runMs : 0));
  queue.wait(tasks, { fairnessKey: "b" });
  const found: number[] = [];
  while (found.length < tasks) {
    const at = Math.min(...free);
    if (queue.start()?.fairnessKey === "b") found.push(at);
    free[free.indexOf(at)] = at + runMs;
  }
  return found;
}

function p95(setting: Setting, others: number): number {
  const random = new Random(setting.slots, "waits");
  const all = Array.from({ length: 200 }, () => waits(random, setting, others)).flat();
  all.sort((a, b) => a - b);
  return all[Math.ceil(all.length * 0.95) - 1] ?? 0;
}

describe("245 a few tasks of a key behind many of another: p95 of their wait is so many times what it is alone at most", () => {
  test.each<[number, number, number, number]>([
    [10, 1, 20, 2],
    [10, 2, 20, 2],
    [10, 3, 100, 2],
    [10, 4, 50, 2],
    [10, 6, 300, 2],
    // Of many the half is theirs.
    [30, 2, 20, 2.1],
    [30, 6, 300, 2.1],
    [100, 4, 50, 2.1],
  ])("%i tasks, %i at once, %i ms each: %f", (tasks, slots, runMs, times) => {
    const setting = { tasks, slots, runMs };
    const [alone, beside] = [p95(setting, 0), p95(setting, 300)];
    expect(alone).toBeGreaterThan(0);
    expect(beside / alone).toBeLessThan(times);
  });
});

describe("246 a key that comes and goes", () => {
  const count = (keys: readonly string[], key: string) => keys.filter((one) => one === key).length;

  it("is handed at most so many at once of what it missed, and then takes turns", () => {
    const queue = new Queue({ fair: new Fair({}) });
    queue.wait(5_000, { fairnessKey: "a" });
    queue.starts(1_000);
    queue.wait(1_000, { fairnessKey: "b" });
    const starts = queue.starts(200);
    const first = starts.indexOf("a");
    expect(first).toBeLessThanOrEqual(AHEAD_AFTER_IDLE + 1);
    expect(count(starts.slice(first), "b") - count(starts.slice(first), "a")).toBeLessThanOrEqual(1);
  });

  it("has 3 to 1 within 2.7 to 3.3 over 10,000 where the pauses are short, whichever of the two pauses", () => {
    for (const pausing of ["a", "b"]) {
      const other = pausing === "a" ? "b" : "a";
      const queue = new Queue({ fair: new Fair({ a: 3 }) });
      queue.wait(30_000, { fairnessKey: other });
      const starts: string[] = [];
      const random = new Random(1, pausing);
      while (starts.length < 10_000) {
        queue.wait(random.between(20, 60), { fairnessKey: pausing });
        while (queue.has(pausing)) starts.push(...queue.starts(1));
        starts.push(...queue.starts(random.between(0, pausing === "a" ? 2 : 20)));
      }
      const ratio = count(starts, "a") / count(starts, "b");
      expect(ratio, pausing).toBeGreaterThan(2.7);
      expect(ratio, pausing).toBeLessThan(3.3);
    }
  });

  it("never has more than its share of all that was started, however it pauses", () => {
    for (let seed = 0; seed < 100; seed++) {
      const random = new Random(seed, "gain");
      const weight = random.pick([0.5, 1, 3]);
      const queue = new Queue({ fair: new Fair({ b: weight }) });
      queue.wait(20_000, { fairnessKey: "a" });
      let [b, all] = [0, 0];
      while (all < 4_000) {
        queue.wait(random.between(1, 30), { fairnessKey: "b" });
        for (let i = random.between(1, 80); i > 0; i--) {
          all++;
          if (queue.start()?.fairnessKey === "b") b++;
          expect(b).toBeLessThanOrEqual((all * weight) / (1 + weight) + 2 + weight);
        }
      }
    }
  });
});
