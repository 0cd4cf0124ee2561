/** The places in which deliveries are under way: of any mix that may come about, good ones have one left. */
import { expect, it } from "vitest";
import { MOST_AT_ONCE, placesFor, type Standing } from "../../core/delivery-places.ts";

it("296 however receivers that are new or slow come, one place is left to good ones, and one to those that wait", () => {
  for (let order = 0; order < 2 ** 8; order++) {
    const taken = { all: 0, new: 0, slow: 0 };
    for (let at = 0; at < 8; at++) {
      const standing: Standing = order & (2 ** at) ? "slow" : "new";
      const places = placesFor(standing, { ...taken, own: 0 }, true);
      expect(placesFor(standing, { ...taken, own: 1 }, true)).toBe(0);
      taken.all += places;
      taken[standing] += places;
      expect([taken.new <= 2, taken.slow <= 2]).toEqual([true, true]);
    }
    expect(taken.all).toBe(order === 0 || order === 255 ? 2 : 3);
    expect(placesFor("good", { ...taken, own: 0 }, true)).toBe(MOST_AT_ONCE - taken.all);
  }
});

it("296 one that is good has three places of four, and new ones three where none that is slow waits", () => {
  expect(placesFor("good", { own: 0, all: 0, new: 0, slow: 0 }, false)).toBe(3);
  expect(placesFor("good", { own: 3, all: 3, new: 0, slow: 0 }, false)).toBe(0);
  expect(placesFor("good", { own: 3, all: 4, new: 0, slow: 3 }, false)).toBe(0);
  expect(placesFor("new", { own: 0, all: 2, new: 2, slow: 0 }, false)).toBe(1);
  expect(placesFor("new", { own: 0, all: 3, new: 3, slow: 0 }, false)).toBe(0);
});
