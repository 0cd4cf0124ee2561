/** `sleep`: takes `ms` and does nothing. It ends early, as a failure, when its signal says so. */
import { z } from "zod";
import { defineHandler } from "./define.ts";

export const sleep = defineHandler({
  type: "sleep",
  version: 1,
  payload: z.strictObject({
    /** Milliseconds; a queue's timeoutMs (60 s unless told) ends it earlier, so a longer sleep brings its own. */
    ms: z.int().min(0).max(600_000),
  }),
  run({ ms }, { signal }) {
    const { promise, resolve, reject } = Promise.withResolvers<{ ms: number }>();
    if (signal.aborted) reject(signal.reason);
    const timer = setTimeout(resolve, ms, { ms });
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
    return promise;
  },
});
