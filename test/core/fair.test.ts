/** Whose turn it is: shares by weight, no credit for waiting, and what age brings. */
import { describe, expect, it } from "vitest";
import { AHEAD_AFTER_IDLE, Fair } from "../../core/fair.ts";
import { seqAt } from "../../core/ids.ts";
import { Random } from "../simulation/random.ts";
import { NOW, Queue } from "../support/node/turns.ts";

const count = (keys: readonly string[], key: string) => keys.filter((one) => one === key).length;

describe("245 turns", () => {
  it("weights 3 to 1 give 3 to 1 over 10,000 tasks, also over types", () => {
    const queue = new Queue({ fair: new Fair({ a: 3 }) });
    queue.wait(20_000, { fairnessKey: "a" });
    queue.wait(10_000, { fairnessKey: "b" });
    queue.wait(10_000, { fairnessKey: "b", type: "sleep" });
    const starts = queue.starts(10_000);
    const ratio = count(starts, "a") / count(starts, "b");
    expect(ratio).toBeGreaterThan(2.99);
    expect(ratio).toBeLessThan(3.01);
  });

  it("at every moment no key with work is ahead of another by more than a task of each, by weight", () => {
    for (let seed = 0; seed < 50; seed++) {
      const random = new Random(seed, "fair");
      const keys = Array.from({ length: random.between(2, 12) }, (_, i) => `k${i}`);
      const weights = Object.fromEntries(keys.map((key) => [key, random.pick([0.25, 0.5, 1, 2, 7])]));
      const queue = new Queue({ fair: new Fair(weights) });
      for (const key of keys) queue.wait(2_000, { fairnessKey: key, type: random.pick(["echo", "sleep"]) });
      const served = new Map(keys.map((key) => [key, 0]));
      for (let i = 0; i < 1_000; i++) {
        const key = queue.start()?.fairnessKey ?? "";
        served.set(key, (served.get(key) ?? 0) + 1);
        const weightOf = (one: string) => weights[one] ?? 1;
        const shares = keys.map((one) => ({ one, share: (served.get(one) ?? 0) / weightOf(one) }));
        shares.sort((a, b) => a.share - b.share);
        const [least, most] = [shares[0], shares.at(-1)];
        if (!least || !most) throw new Error("no keys");
        expect(most.share - least.share).toBeLessThanOrEqual(1 / weightOf(most.one) + 1 / weightOf(least.one) + 1e-9);
      }
    }
  });

  it("ten tasks of B behind 100,000 of A wait for no more than twice what they would alone", () => {
    const queue = new Queue({ fair: new Fair({}) });
    queue.wait(100_000, { fairnessKey: "a" });
    queue.starts(500);
    queue.wait(10, { fairnessKey: "b" });
    const starts = queue.starts(30);
    const ranks = starts.flatMap((key, i) => (key === "b" ? [i + 1] : []));
    expect(ranks).toHaveLength(10);
    for (const [i, rank] of ranks.entries()) expect(rank).toBeLessThanOrEqual(2 * (i + 1));
  });

  it("246 keys that had nothing to run are handed a few, and are two of three from then on", () => {
    const queue = new Queue({ fair: new Fair({}) });
    queue.wait(5_000, { fairnessKey: "a" });
    queue.wait(2, { fairnessKey: "b" });
    queue.starts(1_000);
    queue.wait(1_000, { fairnessKey: "b" });
    queue.wait(1_000, { fairnessKey: "new" });
    const first = queue.starts(2 * AHEAD_AFTER_IDLE + 3);
    for (const key of ["b", "new"]) expect(count(first, key)).toBeGreaterThanOrEqual(AHEAD_AFTER_IDLE);
    const starts = queue.starts(300);
    for (const key of ["a", "b", "new"]) expect(Math.abs(count(starts, key) - 100)).toBeLessThanOrEqual(1);
  });

  it("246 a loss of memory each 30 tasks or more leaves 3 to 1 between 2.7 and 3.3", () => {
    for (const each of [30, 31, 33, 50, 53, 97, 250, 1_000]) {
      for (const keys of [
        ["a", "b"],
        ["b", "a"],
      ]) {
        const queue = new Queue({ fair: new Fair({ a: 3 }) });
        for (const fairnessKey of keys) queue.wait(12_000, { fairnessKey });
        const starts: string[] = [];
        while (starts.length < 10_000) {
          starts.push(...queue.starts(each));
          queue.beginTurns(new Fair({ a: 3 }));
        }
        const ratio = count(starts, "a") / count(starts, "b");
        expect(ratio, `each ${each}`).toBeGreaterThan(2.7);
        expect(ratio, `each ${each}`).toBeLessThan(3.3);
      }
    }
  });

  it("priority goes before, and within a key the oldest first; level keys by age", () => {
    const queue = new Queue({ fair: new Fair({}) });
    queue.wait(2, { fairnessKey: "a" });
    queue.wait(2, { fairnessKey: "b" });
    queue.wait(2, { fairnessKey: "a", priority: 9 });
    queue.wait(1, {});
    expect(queue.starts(7)).toEqual(["a", "a", "a", "b", "", "a", "b"]);
  });

  it("a key that is ahead of the others is not forgotten, however many keys there are", () => {
    const fair = new Fair({ far: 0.01 });
    const at = (fairnessKey: string) => ({ priority: 5, fairnessKey });
    fair.started(at("far"));
    for (let i = 0; i < 5_000; i++) fair.started(at(`once ${i}`));
    expect(fair.timeOf(at("far"))).toBe(100);
  });

  it("keys by the ten thousand come and go, and shares stay", () => {
    const queue = new Queue({ fair: new Fair({ a: 2 }) });
    queue.wait(60_000, { fairnessKey: "a" });
    queue.wait(60_000, { fairnessKey: "b" });
    const starts: string[] = [];
    for (let i = 0; i < 9_000; i++) {
      queue.wait(1, { fairnessKey: `once ${i}` });
      starts.push(...queue.starts(4));
    }
    expect(count(starts, "a") / count(starts, "b")).toBeGreaterThan(1.99);
    expect(count(starts, "a") / count(starts, "b")).toBeLessThan(2.01);
  });
});

describe("247 age", () => {
  const at = (ms: number) => seqAt(NOW + ms);

  it("raises a priority each step, up to the highest, where the oldest goes first", () => {
    const queue = new Queue({ ageStepMs: 1_000 });
    queue.wait(1, { priority: 3 }, at(0));
    queue.wait(1, { priority: 5, type: "sleep" }, at(1_500));
    expect(queue.start(NOW + 1_999)?.priority).toBe(5);
    queue.wait(1, { priority: 5, type: "sleep" }, at(1_501));
    queue.wait(1, { priority: 9, type: "fail" }, at(6_500));
    // At 6.6 s all three are at 9: the oldest goes first.
    const order = [queue.start(NOW + 6_600), queue.start(NOW + 6_600), queue.start(NOW + 6_600)];
    expect(order.map((key) => key?.priority)).toEqual([3, 5, 9]);
  });

  it("what has waited its steps is passed by nothing that is submitted later, however urgent", () => {
    for (let priority = 0; priority <= 9; priority++) {
      const queue = new Queue({ ageStepMs: 1_000 });
      queue.wait(1, { priority }, at(0));
      const bound = (9 - priority) * 1_000;
      queue.wait(3, { priority: 9, type: "urgent" }, at(bound) + 1);
      expect(queue.start(NOW + bound)).toMatchObject({ priority, type: "echo" });
    }
  });

  it("of what was put off counts from when it was due", () => {
    const queue = new Queue({ ageStepMs: 1_000 });
    queue.wait(1, { priority: 3 }, at(-600_000), at(0));
    queue.wait(1, { priority: 4, type: "sleep" }, at(100));
    expect(queue.start(NOW + 900)?.priority).toBe(4);
    queue.wait(1, { priority: 9, type: "urgent" }, at(6_000) + 1);
    expect(queue.start(NOW + 6_001)?.priority).toBe(3);
  });

  it("goes between limitKeys by who has been due for longest; of those that are due together the older id goes first", () => {
    const queue = new Queue({ ageStepMs: 1_000 });
    queue.wait(1, { priority: 3, limitKey: "young" }, at(-600_000), at(6_500));
    queue.wait(1, { priority: 3, limitKey: "waits" }, at(0));
    queue.wait(1, { priority: 9, type: "urgent" }, at(6_000) + 1);
    queue.wait(1, { priority: 3, limitKey: "younger" }, at(-500_000), at(6_500));
    const order = Array.from({ length: 4 }, () => queue.start(NOW + 60_000)?.limitKey ?? "urgent");
    expect(order).toEqual(["waits", "urgent", "young", "younger"]);
  });

  it("one of old id that is due now holds back none of its kind that has waited its steps: they are raised together", () => {
    for (const limitKey of [null, "of its own"]) {
      const queue = new Queue({ ageStepMs: 1_000 });
      queue.wait(1, { priority: 3 }, at(0));
      queue.wait(1, { priority: 9, type: "urgent" }, at(6_000) + 1);
      queue.wait(1, { priority: 3, limitKey }, at(-600_000), at(6_500));
      const order = [queue.start(NOW + 6_600), queue.start(NOW + 6_600), queue.start(NOW + 6_600)];
      const kinds = order.map((key) => `${key?.priority} ${key?.limitKey ?? ""}`);
      expect(kinds).toEqual(limitKey === null ? ["3 ", "3 ", "9 "] : ["3 ", "9 ", `3 ${limitKey}`]);
    }
  });
});
