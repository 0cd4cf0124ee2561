/** Waiting for D1 has an end: it may hang instead of failing, and whoever waits for it must not. */
import type { Ports } from "../core/ports.ts";

/** What `work` gives, or an error after `ms`; what comes later is heard and dropped. */
export function within<T>(ports: Pick<Ports, "later">, ms: number, work: Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const stop = ports.later(ms, () => reject(new Error(`D1 did not answer within ${ms} ms`)));
  work.then(resolve, reject).finally(stop);
  return promise;
}
