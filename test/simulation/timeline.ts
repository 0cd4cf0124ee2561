/**
 * Virtual time: what will happen, in the order of its moment. Everything belongs to a life (an isolate, a shard's
 * object in memory, the outside world): when that ends, what was still to happen to it does not; while it is frozen, it
 * waits.
 */

export class Life {
  readonly name: string;
  isAlive = true;
  /** Nothing happens to it before this moment. */
  frozenUntil = 0;

  constructor(name: string) {
    this.name = name;
  }
}

export interface Happening {
  at: number;
  order: number;
  readonly life: Life;
  /** For the trace. */
  readonly what: string;
  readonly run: () => void;
  isCancelled: boolean;
}

export class Timeline {
  /** Milliseconds that have really passed, whatever the clocks say. */
  now = 0;
  #order = 0;
  readonly #heap: Happening[] = [];

  /** @returns what takes it back */
  after(ms: number, life: Life, what: string, run: () => void): () => void {
    const happening = { at: this.now + Math.max(0, ms), order: this.#order++, life, what, run, isCancelled: false };
    this.#push(happening);
    return () => {
      happening.isCancelled = true;
    };
  }

  /** Moves time to the next happening; null: nothing will ever happen. */
  next(): Happening | null {
    for (;;) {
      const top = this.#pop();
      if (!top) return null;
      if (top.isCancelled || !top.life.isAlive) continue;
      if (top.life.frozenUntil > top.at && top.life.frozenUntil > this.now) {
        top.at = top.life.frozenUntil;
        top.order = this.#order++;
        this.#push(top);
        continue;
      }
      this.now = Math.max(this.now, top.at);
      return top;
    }
  }

  #push(happening: Happening): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(happening);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (!above || isBefore(above, happening)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = happening;
  }

  #pop(): Happening | null {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (!top || !last) return null;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      let below = heap[child];
      const right = heap[child + 1];
      if (below && right && isBefore(right, below)) {
        child++;
        below = right;
      }
      if (!below || isBefore(last, below)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
