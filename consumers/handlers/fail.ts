/** `fail`: fails its first `times` attempts, then succeeds. For trying out retries, dead letters and alerts. */
import { z } from "zod";
import { defineHandler } from "./define.ts";
import { NonRetryableError } from "./errors.ts";

export const fail = defineHandler({
  type: "fail",
  version: 1,
  payload: z.strictObject({
    times: z.int().min(0).max(1_000).default(1),
    /** false: the first failure is the last. */
    retryable: z.boolean().default(true),
    message: z.string().max(1_000).default("failed as asked"),
  }),
  run({ times, retryable, message }, { attempt }) {
    if (attempt > times) return { attempt };
    throw retryable ? new Error(message) : new NonRetryableError(message);
  },
});
