/**
 * The Worker that ships, over its real objects, with what a test changes about its ports: the same seam that the
 * product has, so that a fault is put between the door and an object and nothing is imitated.
 */
import { env } from "cloudflare:workers";
import type { Handler } from "../../../consumers/handlers/define.ts";
import { REGISTRY } from "../../../consumers/handlers/registry.ts";
import type { Ports } from "../../../core/ports.ts";
import type { DirectoryRpc } from "../../../core/schema/directory-rpc.ts";
import type { ShardRpc } from "../../../core/schema/rpc.ts";
import { platformPorts } from "../../../ports.ts";
import { createWorker } from "../../../src/worker.ts";

export interface ServiceOptions {
  readonly registry?: ReadonlyMap<string, Handler>;
  /** Vars and bindings that differ; undefined takes one away. */
  readonly env?: Readonly<Record<string, unknown>>;
}

/** A door of its own, with caches of its own. @param change what differs from the platform's ports */
export function serviceWith(
  change: (real: Ports) => Partial<Ports> = () => ({}),
  options: ServiceOptions = {},
): (request: Request) => Promise<Response> {
  const worker = createWorker({
    ports: (bindings) => {
      const real = platformPorts(bindings);
      return { ...real, ...change(real) };
    },
    registry: options.registry ?? REGISTRY,
  });
  return (request) => worker.fetch(request, { ...env, ...options.env });
}

/** A shard or directory of which some methods do something else. A stub is a proxy, so its methods are taken one by one. */
export function altered<T extends ShardRpc | DirectoryRpc>(stub: T, methods: Partial<T>): T {
  return new Proxy(stub, {
    get: (target, name, receiver) => Reflect.get(Object.hasOwn(methods, name) ? methods : target, name, receiver),
  });
}

/** Never. */
export function silence<T>(): Promise<T> {
  return new Promise(() => {});
}
