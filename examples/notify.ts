/** `notify`: posts a text to a web hook. The README's example of a handler; to use it, add it to the registry. */
import { z } from "zod";
import { defineHandler } from "../consumers/handlers/define.ts";
import { NonRetryableError } from "../consumers/handlers/errors.ts";

export const notify = defineHandler({
  type: "notify",
  version: 1,
  payload: z.strictObject({ url: z.url(), text: z.string().max(10_000) }),
  timeoutMs: 10_000,
  retry: { maxAttempts: 6, baseMs: 2_000 },
  async run({ url, text }, ctx) {
    const answer = await fetch(url, {
      method: "POST",
      // The same in every attempt: a receiver that has seen it does nothing a second time.
      headers: { "content-type": "application/json", "idempotency-key": ctx.idempotencyKey },
      body: JSON.stringify({ text }),
      signal: ctx.signal,
    });
    await answer.body?.cancel();
    if (answer.status === 429) ctx.retryLater(Number(answer.headers.get("retry-after")) || 60);
    if (answer.status >= 500) throw new Error(`the hook answered ${answer.status}`);
    if (!answer.ok) throw new NonRetryableError(`the hook answered ${answer.status}`);
    return { status: answer.status };
  },
});
