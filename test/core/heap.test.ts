/** The heap, against a list that is sorted anew each time. */
import { expect, it } from "vitest";
import { Heap } from "../../core/heap.ts";
import { Random } from "../simulation/random.ts";

it("the first is on top, whatever is put, changed and taken out", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(seed, "heap");
    const heap = new Heap<{ at: number; rank: number }>((a, b) => a.rank < b.rank);
    const all = Array.from({ length: 40 }, () => ({ at: -1, rank: random.between(0, 1_000) }));
    const inside = new Set<(typeof all)[number]>();
    for (let step = 0; step < 300; step++) {
      const item = all[random.between(0, all.length - 1)] ?? { at: -1, rank: 0 };
      if (random.chance(0.4)) {
        heap.delete(item);
        inside.delete(item);
      } else {
        item.rank = random.between(0, 1_000);
        heap.put(item);
        inside.add(item);
      }
      expect(heap.size).toBe(inside.size);
      expect(new Set(heap)).toEqual(inside);
      expect(heap.top?.rank).toBe([...inside].map(({ rank }) => rank).sort((a, b) => a - b)[0]);
    }
  }
});
