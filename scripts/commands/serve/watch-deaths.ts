/** Which runtimes have died: what failed because its runtime was killed is told apart from what failed by itself. */
import { setTimeout as pause } from "node:timers/promises";
import { CannotStart } from "./cannot-start.ts";
import type { Death } from "./guard-runtime.ts";

/** A call that a death cuts off may fail before the death itself is known. */
const NOTICE_MS = 200;

export interface Deaths {
  note(death: Death): void;
  count(): number;
  /** Those after the first `before`. */
  since(before: number): readonly Death[];
  /** A kill or a crash after the first `before` deaths; null: none. One that ended by itself (a code) had its reason. */
  killedSince(before: number): Promise<Death | null>;
}

export function watchDeaths(): Deaths {
  const all: Death[] = [];
  return {
    note: (death) => void all.push(death),
    count: () => all.length,
    since: (before) => all.slice(before),
    async killedSince(before) {
      if (all.length === before) await pause(NOTICE_MS);
      return all.slice(before).find(({ by }) => !by.startsWith("code ")) ?? null;
    },
  };
}

/** What it was to do may be tried again. */
export class RuntimeKilled extends CannotStart {
  override readonly name = "RuntimeKilled";

  constructor({ by }: Death) {
    super(`It died of ${by} before it listened.`);
  }
}
