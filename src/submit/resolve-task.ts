/** What a submitted task's type is, and which queue it goes to: named, or where the type is routed, or `default`. */
import { noSuchQueue } from "../../core/errors.ts";
import { DEFAULT_QUEUE, type QueueName } from "../../core/ids.ts";
import { declaredType, type Fault, type TaskType } from "../../core/make-task.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import type { KnownQueues, TypeRoute } from "../../reads/known-queues.ts";
import type { Door } from "../door.ts";

export interface Resolved {
  readonly type: TaskType;
  readonly entry: QueueEntry;
  /** For how long a result answers equal tasks; 0: not at all. */
  readonly cacheTtlSeconds: number;
}

/** What a submission asks about types and queues; a dry run's asks and makes nothing. */
export interface Resolving extends Pick<Door, "types"> {
  readonly known: Pick<KnownQueues, "queue" | "queueFor" | "route">;
}

/** The same, but no queue is made: one that would be is told as it would be. */
export function withoutMaking<D extends Resolving & { readonly known: KnownQueues }>(door: D): D & Resolving {
  const { known } = door;
  return {
    ...door,
    known: {
      queue: (queue, _create, deadline) => known.foreseen(queue, deadline),
      queueFor: async (queue, type, deadline) => ({
        entry: await known.foreseen(queue, deadline),
        route: await known.route(type, false, deadline),
      }),
      route: (type, _handled, deadline) => known.route(type, false, deadline),
    },
  };
}

/**
 * @param queue as the task names it, well formed
 * @param deadline Unix ms
 * @returns a fault with pointers from the task's root where type or queue is unknown
 * @throws Problem where the Directory does not answer and nothing is remembered
 */
export async function resolveTask(
  door: Resolving,
  type: string,
  queue: string | undefined,
  deadline: number,
): Promise<Resolved | Fault> {
  const handled = door.types.get(type);
  const { known } = door;
  // A handled type that names its queue needs no route; one that nobody here handles must at least be declared.
  if (handled && queue !== undefined) {
    const { entry, route } = await known.queueFor(queue as QueueName, type, deadline);
    return entry === null ? unknownQueue(queue) : resolved(handled, entry, route);
  }
  const route = await known.route(type, handled !== undefined, deadline);
  if (!handled && !route.declared) return unknownType(type);
  const name = (queue as QueueName | undefined) ?? route.route ?? DEFAULT_QUEUE;
  const entry = await known.queue(name, true, deadline);
  return entry === null ? unknownQueue(name) : resolved(handled ?? declaredType(type), entry, route);
}

function resolved(type: TaskType, entry: QueueEntry, route: TypeRoute | null): Resolved {
  return { type, entry, cacheTtlSeconds: route?.cacheTtlSeconds ?? type.cacheTtlSeconds };
}

/** A type alone, as {@link resolveTask} has it: schedules leave the queue to the moment of the fire. */
export async function resolveType(door: Door, type: string, deadline: number): Promise<TaskType | Fault> {
  const handled = door.types.get(type);
  if (handled) return handled;
  const { declared } = await door.known.route(type, false, deadline);
  return declared ? declaredType(type) : unknownType(type);
}

export function isResolved(found: Resolved | Fault): found is Resolved {
  return "entry" in found;
}

function unknownType(type: string): Fault {
  return {
    code: "type-unknown",
    detail: `There is no task type ${type}. GET /types lists those that there are; PUT /types/{type} makes one known that other workers run.`,
    errors: [{ pointer: "/type", detail: "is not a known task type" }],
  };
}

function unknownQueue(queue: string): Fault {
  return {
    code: "queue-unknown",
    detail: noSuchQueue(queue),
    errors: [{ pointer: "/queue", detail: "is not a known queue" }],
  };
}
