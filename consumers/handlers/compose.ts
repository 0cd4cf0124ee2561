/** Makes a registry of handlers: one for each type, each within its bounds. A fault here is a programmer's: it throws. */
import { TYPE_NAME } from "../../core/ids.ts";
import type { Handler } from "./define.ts";

export type Registry = ReadonlyMap<string, Handler>;

const MAX_TIMEOUT_MS = 600_000;

/** Joins handlers to a registry. Throws where two have one type, or a name, version or timeout is out of bounds. */
export function composeRegistry(handlers: Iterable<Handler>): Registry {
  const registry = new Map<string, Handler>();
  for (const handler of handlers) {
    const { type, version, timeoutMs } = handler;
    if (!TYPE_NAME.test(type)) throw new Error(`not a task type: ${JSON.stringify(type)}`);
    if (registry.has(type)) throw new Error(`two handlers for the task type ${type}`);
    if (!Number.isSafeInteger(version) || version < 1)
      throw new Error(`version of ${type} is not 1, 2, 3 …: ${version}`);
    if (timeoutMs !== undefined && !(timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS))
      throw new Error(`timeoutMs of ${type} is not within 1 and ${MAX_TIMEOUT_MS}: ${timeoutMs}`);
    registry.set(type, handler);
  }
  return registry;
}

/** What a worker with this registry tells a shard: each type that it runs, and up to which version. */
export function workerTypes(registry: Registry): Readonly<Record<string, number>> {
  return Object.fromEntries(Array.from(registry.values(), (handler) => [handler.type, handler.version]));
}
