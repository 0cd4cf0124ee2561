/**
 * What a handler spawns: tasks that its workflow's run is to have besides. They ride with the outcome, so they exist if
 * and only if the attempt succeeded. What is wrong is said where it is spawned, and no other attempt would mend it.
 */
import { exceedsBytes, MAX_RESULT_BYTES } from "../core/bytes.ts";
import { QUEUE_NAME, TYPE_NAME } from "../core/ids.ts";
import { checkPayload, declaredType, handledType } from "../core/make-task.ts";
import { NodeKeySchema } from "../core/schema/workflow.ts";
import type { SpawnedTask } from "../core/schema/workflow-rpc.ts";
import type { Registry } from "./handlers/compose.ts";
import { NonRetryableError } from "./handlers/errors.ts";

/** By one attempt. */
export const MAX_SPAWNED = 100;

export class Spawning {
  readonly #tasks = new Map<string, SpawnedTask>();
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** JSON text for the outcome; null: nothing was spawned. */
  get text(): string | null {
    return this.#tasks.size === 0 ? null : JSON.stringify([...this.#tasks.values()]);
  }

  /** @throws NonRetryableError that names what is wrong */
  add(task: SpawnedTask): void {
    const problem = this.#problemOf(task);
    if (problem !== null) throw new NonRetryableError(`spawn: ${problem}`);
    this.#tasks.set(task.key, task);
    if (exceedsBytes(this.text ?? "", MAX_RESULT_BYTES))
      throw new NonRetryableError(`spawn: all together is over ${MAX_RESULT_BYTES} bytes of JSON`);
  }

  #problemOf({ key, type, payload, queue, dependsOn = [] }: SpawnedTask): string | null {
    if (this.#tasks.size >= MAX_SPAWNED) return `an attempt spawns ${MAX_SPAWNED} tasks at most`;
    if (!NodeKeySchema.safeParse(key).success)
      return `the key ${key} is not 1 to 64 letters, digits, hyphens or underscores`;
    if (this.#tasks.has(key)) return `the key ${key} was spawned before`;
    if (!TYPE_NAME.test(type)) return `there is no task type ${type}`;
    if (queue !== undefined && !QUEUE_NAME.test(queue)) return `no queue can be called ${queue}`;
    const missing = dependsOn.find((parent) => !this.#tasks.has(parent));
    if (missing !== undefined) return `${key} depends on ${missing}, which this attempt has not spawned before it`;
    const handler = this.#registry.get(type);
    const checked = checkPayload(payload, handler ? handledType(handler) : declaredType(type));
    if (typeof checked === "string") return null;
    const [first] = checked.errors;
    return `${key}: ${checked.detail}${first ? ` ${first.pointer}: ${first.detail}` : ""}`;
  }
}
