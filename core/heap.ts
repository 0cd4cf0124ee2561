/**
 * A binary heap whose items know their place in it, so that any of them can be moved or taken out in O(log n) when what
 * it is ordered by has changed. Must stay true: an item is in one heap at most, and `put` follows each such change.
 */

export interface HeapItem {
  /** Its place in the heap; -1 outside. */
  at: number;
}

export class Heap<T extends HeapItem> implements Iterable<T> {
  readonly #items: T[] = [];
  readonly #isBefore: (a: T, b: T) => boolean;

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }
  /** The first of all. */
  get top(): T | undefined {
    return this.#items[0];
  }
  /** All of them, in no order but that the first comes first. */
  [Symbol.iterator](): IterableIterator<T> {
    return this.#items.values();
  }

  /** Takes an item in, or gives it its place again after it changed. */
  put(item: T): void {
    if (item.at < 0) {
      item.at = this.#items.length;
      this.#items.push(item);
    }
    if (this.#items.length > 1 && !this.#rise(item)) this.#sink(item);
  }

  /** Takes an item out; one that is not in it stays so. */
  delete(item: T): void {
    if (item.at < 0) return;
    const last = this.#items.pop();
    if (last && last !== item) {
      last.at = item.at;
      this.#items[item.at] = last;
      if (!this.#rise(last)) this.#sink(last);
    }
    item.at = -1;
  }

  #rise(item: T): boolean {
    const from = item.at;
    while (item.at > 0) {
      const above = this.#items[(item.at - 1) >> 1];
      if (!above || !this.#isBefore(item, above)) break;
      this.#swap(above, item);
    }
    return item.at < from;
  }

  #sink(item: T): void {
    for (;;) {
      const left = this.#items[2 * item.at + 1];
      const right = this.#items[2 * item.at + 2];
      const below = left && right && this.#isBefore(right, left) ? right : left;
      if (!below || !this.#isBefore(below, item)) return;
      this.#swap(item, below);
    }
  }

  #swap(above: T, below: T): void {
    const { at } = above;
    above.at = below.at;
    below.at = at;
    this.#items[above.at] = above;
    this.#items[below.at] = below;
  }
}
