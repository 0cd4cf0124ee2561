import { describe, expect, it } from "vitest";
import { cutByBytes, cutUtf8, exceedsBytes, utf8Bytes } from "../../core/bytes.ts";
import { Random } from "../simulation/random.ts";

const TEXTS = ["", "plain", "ä", "€", "🙂", "a🙂b€cä", "\u0000\u0001", '"quotes"', "\ud83d", "x\ude42y", "🙂\ud83d"];

describe("155 bytes of a text", () => {
  it.each(TEXTS)("%j are counted as they are encoded", (text) => {
    expect(utf8Bytes(text)).toBe(Buffer.byteLength(text));
    for (const limit of [0, 1, 3, 4, Buffer.byteLength(text) - 1, Buffer.byteLength(text)])
      expect(exceedsBytes(text, limit)).toBe(Buffer.byteLength(text) > limit);
  });

  it("are cut without splitting a character, and no shorter than need be", () => {
    for (let limit = 0; limit <= 12; limit++) {
      const cut = cutUtf8("a🙂b€cä", limit);
      expect("a🙂b€cä".startsWith(cut)).toBe(true);
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(limit);
      expect(Buffer.from(cut).toString()).toBe(cut);
      const next = [..."a🙂b€cä"].slice(0, [...cut].length + 1).join("");
      if (next !== cut) expect(Buffer.byteLength(next)).toBeGreaterThan(limit);
    }
  });
});

describe("155 a list cut by bytes and count", () => {
  it("loses nothing, keeps the order, and no run is larger than it may be: but for a single item", () => {
    const random = new Random(1, "bytes");
    for (let round = 0; round < 200; round++) {
      const items = Array.from({ length: random.between(0, 40) }, () => random.between(0, 30));
      const [most, count] = [random.between(1, 60), random.between(1, 10)];
      const runs = [...cutByBytes(items, (item) => item, most, count)];
      expect(runs.flat()).toEqual(items);
      for (const run of runs) {
        expect(run.length).toBeGreaterThan(0);
        expect(run.length).toBeLessThanOrEqual(count);
        if (run.length > 1) expect(run.reduce((sum, item) => sum + item, 0)).toBeLessThanOrEqual(most);
      }
    }
  });
});
