/**
 * A stop that loses no work: the shards stop their sessions, running tasks have DRAIN_SECONDS, what is not started goes
 * back to its queue. A second signal does not wait. The state is whole either way; a drain only saves attempts.
 */
import type { Miniflare } from "miniflare";
import { DRAIN, type Fired, fireCron, orAfter } from "./poke-cron.ts";

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
type StopSignal = keyof typeof SIGNALS;

/** npm passes on the Ctrl-C that the terminal has already sent to everyone: within this time it is one and the same. */
const SAME_SIGNAL_MS = 500;
/** For sessions to hand back what did not end in time, after the drain's own seconds. */
const HAND_BACK_MS = 2_000;

/** Runs `stop` at the first SIGINT, SIGTERM or SIGHUP and exits with 0 after it; a second one exits at once. */
export function onStopSignal(stop: (signal: StopSignal) => Promise<void>): void {
  let firstAt: number | null = null;
  const onSignal = (signal: StopSignal) => {
    const now = performance.now();
    if (firstAt === null) {
      firstAt = now;
      void stop(signal).finally(() => process.exit(0));
    } else if (now - firstAt > SAME_SIGNAL_MS) process.exit(128 + SIGNALS[signal]);
  };
  takeSignals(onSignal);
}

/** To be called after Miniflare has started: its own handlers, which end the process at once, are taken off. */
export function takeSignals(onSignal: (signal: StopSignal) => void): void {
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const)
    process.removeAllListeners(signal).on(signal, () => onSignal(signal));
}

/** Says no more than is known: a drain that was lost tells nothing of whether a task ran. */
const HOW: Readonly<Record<Fired, string>> = {
  ok: "",
  late: "; the drain had not ended by then: what still ran counts as crashed",
  failed: " without a drain, the runtime did not answer to it: a task that was running, if any, counts as crashed",
};

export async function stopGently(
  runtime: Pick<Miniflare, "dispatchFetch" | "dispose">,
  drainMs: number,
  signal: StopSignal,
  say: (sentence: string) => void,
): Promise<void> {
  say(`${signal}: running tasks have ${drainMs / 1_000} s to end.`);
  const since = performance.now();
  const drained = await fireCron(runtime, DRAIN, drainMs + HAND_BACK_MS);
  await orAfter(HAND_BACK_MS, runtime.dispose(), undefined);
  const ms = Math.round(performance.now() - since);
  say(`Stopped after ${ms} ms${HOW[drained]}.`);
}
