/** What each object has done since a test asked for its counts the last time. */

import { countStorage, noCounts } from "../../../bench/worker/count.ts";
import type { ObjectCounts } from "./object-counts.ts";

/** An object's storage, counted for as long as the object has its memory. */
export class CountedObject {
  readonly #counts = noCounts();
  readonly #settle: () => void;
  #alarms = 0;

  constructor(name: string, storage: DurableObjectStorage) {
    this.#settle = countStorage(storage, this.#counts);
    objects.set(name, this);
  }

  rang(): void {
    this.#alarms++;
  }

  /** Counts begin again at zero. */
  take(): ObjectCounts {
    this.#settle();
    const { alarms: setAlarms, rowsRead, rowsWritten } = this.#counts;
    const taken = { alarms: this.#alarms, setAlarms, rowsRead, rowsWritten };
    Object.assign(this.#counts, noCounts());
    this.#alarms = 0;
    return taken;
  }
}

const objects = new Map<string, CountedObject>();

/** By name; null where that object has not been in memory. */
export function takeCounts(name: string): ObjectCounts | null {
  return objects.get(name)?.take() ?? null;
}
