/**
 * Brings the service back where its runtime died. Miniflare starts another one by itself, once; where that dies too before
 * it listens, it is started again, ever later, and given up after so many tries. The cron handler wakes what slept or was
 * cut off. One return at a time: what dies while one is under way is a part of it.
 */
import { setTimeout as pause } from "node:timers/promises";
import { CannotStart, sentenceOf } from "./cannot-start.ts";
import type { Death } from "./guard-runtime.ts";

/** Between two tries: 0.5, 1, 2, 4 and 8 s. */
const FIRST_PAUSE_MS = 500;
export const MOST_TRIES = 6;

/** Between a try, 1 and up, and the next one (ms). */
export function pauseAfter(tries: number): number {
  return FIRST_PAUSE_MS * 2 ** (tries - 1);
}

export interface ComingRuntime {
  /** Resolves when the one that Miniflare starts listens. */
  ready(): Promise<unknown>;
  /** Starts another one. */
  again(): Promise<void>;
  /** Wakes what was cut off. Never rejects. */
  wake(): Promise<unknown>;
}

export interface ComeBack {
  /** A runtime has died. */
  died(death: Death): void;
  /** Resolves once no return is under way. */
  settled(): Promise<void>;
  /** The service ends: what dies from now on is not replaced. */
  stop(): void;
}

/**
 * @param say a sentence for whoever runs the service
 * @param giveUp with the sentence that says why, and what to do
 */
export function comeBackFrom(
  runtime: ComingRuntime,
  say: (sentence: string) => void,
  giveUp: (sentence: string) => void,
  wait: (ms: number) => Promise<unknown> = pause,
): ComeBack {
  let deaths = 0;
  let coming: Promise<void> | null = null;
  let isStopped = false;
  const comeBack = async () => {
    const since = performance.now();
    let start = () => runtime.ready();
    for (let tries = 1; ; tries++) {
      const before = deaths;
      const fault = await faultOf(start);
      if (isStopped) return;
      if (fault === null) await runtime.wake();
      if (fault === null && deaths === before) break;
      if (tries === MOST_TRIES) {
        const why = fault === null ? "It dies each time, soon after it listens." : sentenceOf(fault);
        giveUp(`The runtime could not be started again in ${tries} tries. ${why} ${REMEDY}`);
        return;
      }
      await wait(pauseAfter(tries));
      if (isStopped) return;
      // One that listened and died is being replaced by Miniflare.
      start = fault === null ? () => runtime.ready() : () => runtime.again();
    }
    say(`The runtime is back after ${Math.round(performance.now() - since)} ms.`);
  };
  return {
    died({ pid, by }) {
      deaths++;
      if (isStopped) return;
      say(`The runtime (process ${pid}) died of ${by}; another one is being started.`);
      coming ??= comeBack().finally(() => {
        coming = null;
      });
    },
    async settled() {
      await coming;
    },
    stop() {
      isStopped = true;
    },
  };
}

export const REMEDY =
  "Nothing that was accepted is lost: see to what ends it (npm run doctor looks), then npm start again.";

async function faultOf(start: () => Promise<unknown>): Promise<unknown> {
  try {
    await start();
    return null;
  } catch (error) {
    return error instanceof CannotStart ? error : new CannotStart("The runtime ended before it listened.");
  }
}
