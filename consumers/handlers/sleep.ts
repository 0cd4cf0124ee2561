/**
 * `sleep`: takes `ms` and does nothing but tell how far it is, each tenth of its time. It ends early, as a failure, when
 * its signal says so.
 */
import { z } from "zod";
import { defineHandler } from "./define.ts";

/** A shorter sleep is over before anybody hears of its tenths. */
const TOLD_FROM_MS = 1_000;

export const sleep = defineHandler({
  type: "sleep",
  version: 1,
  payload: z.strictObject({
    /** Milliseconds; a queue's timeoutMs (60 s unless told) ends it earlier, so a longer sleep brings its own. */
    ms: z.int().min(0).max(600_000),
  }),
  run({ ms }, { signal, progress }) {
    const { promise, resolve, reject } = Promise.withResolvers<{ ms: number }>();
    if (signal.aborted) reject(signal.reason);
    let tenths = 0;
    const tell = () => progress(10 * ++tenths, `slept ${Math.round((tenths * ms) / 10)} of ${ms} ms`);
    const telling = ms < TOLD_FROM_MS ? undefined : setInterval(tell, ms / 10);
    const timer = setTimeout(resolve, ms, { ms });
    signal.addEventListener("abort", () => reject(signal.reason));
    return promise.finally(() => {
      clearTimeout(timer);
      clearInterval(telling);
    });
  },
});
