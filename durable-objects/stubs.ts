/**
 * The only way in: how src and consumers reach an object. A stub is made anew for each call, because one that failed
 * fails ever after; what throws or hangs becomes an answer, because an error loses its type on the way.
 */
import { DEFAULT_TENANT, type RunId, type ShardAddress, type TenantName } from "../core/ids.ts";
import type { Ports, SocketHost } from "../core/ports.ts";
import type { Refusal } from "../core/schema/answer.ts";
import type { DirectoryRpc } from "../core/schema/directory-rpc.ts";
import type { ShardRpc } from "../core/schema/rpc.ts";
import type { WorkflowRpc } from "../core/schema/workflow-rpc.ts";

/** The Directory that keeps the list of tenants. No tenant's name: it has an underscore. */
export const ROOT = "_root" as TenantName;
/** How many objects are asked at a time. */
export const FAN_OUT = 32;

export function rootDirectory(ports: Ports): DirectoryRpc {
  return ports.directory(ROOT);
}

export function directoryOf(ports: Ports, tenant: TenantName = DEFAULT_TENANT): DirectoryRpc {
  return ports.directory(tenant);
}

export function liveFeedOf(ports: Ports, tenant: TenantName): SocketHost {
  return ports.liveFeed(tenant);
}

export function workflowOf(ports: Ports, tenant: TenantName, id: RunId): WorkflowRpc {
  return ports.workflow(tenant, id);
}

export function shardOf(ports: Ports, address: ShardAddress): ShardRpc {
  return ports.shard(address);
}

/**
 * Asks an object and waits for at most `ms`: `unavailable` where it throws or is silent (the call may have been done),
 * `overloaded` where the platform turned it away. Never rejects; a later answer is dropped.
 */
export function callWithin<T>(ports: Ports, ms: number, call: () => Promise<T>): Promise<T | Refusal> {
  return new Promise((resolve) => {
    const stop = ports.later(ms, () => resolve(refusal("unavailable", `no answer within ${ms} ms`)));
    // Two closures without a name: bundled, each name costs 0.4 µs a call, and this is on every submission's way.
    asPromise(call).then(
      (answer) => {
        stop();
        resolve(answer);
      },
      (error: unknown) => {
        stop();
        resolve(failure(error));
      },
    );
  });
}

async function asPromise<T>(call: () => Promise<T>): Promise<T> {
  return await call();
}

/** Runs `work` for each item, at most `most` at a time; results in order of the items. */
export async function fanOut<T, R>(items: readonly T[], work: (item: T) => Promise<R>, most = FAN_OUT): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const lane = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, lane));
  return results;
}

function failure(error: unknown): Refusal {
  const overloaded = error instanceof Error && "overloaded" in error && error.overloaded === true;
  const detail = error instanceof Error ? error.message : String(error);
  return refusal(overloaded ? "overloaded" : "unavailable", detail);
}

function refusal(code: "overloaded" | "unavailable", detail: string): Refusal {
  return { v: 1, ok: false, code, detail };
}
