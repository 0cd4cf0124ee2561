/**
 * Fires the Worker's cron handler, which nothing does locally. By HTTP: Miniflare's `getWorker` stops this thread until
 * workerd answers. A call that hangs in a runtime that was killed must not hold up the next, so each has its patience.
 */
import type { Miniflare } from "miniflare";

export const TICK = "* * * * *";
export const DRAIN = "sluice:drain";

/** Of Miniflare's own entry, never of the service's port. */
export const SCHEDULED_PATH = "/cdn-cgi/local/scheduled";

const MINUTE_MS = 60_000;

/** late: it has not answered yet, and may still be at work. failed: it threw, or the call was lost. */
export type Fired = "ok" | "late" | "failed";

/** ok: the handler ran and ended well within `patienceMs`. Never throws. */
export async function fireCron(
  runtime: Pick<Miniflare, "dispatchFetch">,
  cron: string,
  patienceMs: number,
): Promise<Fired> {
  const fire = async (): Promise<Fired> => {
    const answer = await runtime.dispatchFetch(`http://localhost${SCHEDULED_PATH}?cron=${encodeURIComponent(cron)}`);
    return (await answer.text()) === "ok" ? "ok" : "failed";
  };
  return await orAfter<Fired>(
    patienceMs,
    fire().catch(() => "failed"),
    "late",
  );
}

/** What `promise` gives, or `otherwise` where it fails or is not there within `ms`. */
export async function orAfter<T>(ms: number, promise: Promise<T>, otherwise: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((give) => {
    timer = setTimeout(give, ms, otherwise);
  });
  return await Promise.race([promise.catch(() => otherwise), late]).finally(() => clearTimeout(timer));
}

/** Calls `poke` at each full minute; gives back what ends that. */
export function eachMinute(poke: () => void): () => void {
  let timer: NodeJS.Timeout;
  const next = () => {
    timer = setTimeout(
      () => {
        poke();
        next();
      },
      MINUTE_MS - (Date.now() % MINUTE_MS),
    );
  };
  next();
  return () => clearTimeout(timer);
}
