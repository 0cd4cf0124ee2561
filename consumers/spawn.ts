/**
 * What a handler spawns: tasks that its workflow's run is to have besides. They ride with the outcome, so they exist if and
 * only if the attempt succeeded. What is wrong is said where it is spawned, and no other attempt would mend it.
 */
import { MAX_RESULT_BYTES, utf8Bytes } from "../core/bytes.ts";
import type { FieldError } from "../core/errors.ts";
import { explainIssues } from "../core/explain-issues.ts";
import { checkPayload, declaredType, handledType, isTooFar, TOO_FAR, timeOf, under } from "../core/make-task.ts";
import type { Ports } from "../core/ports.ts";
import { MAX_SPAWNED, NodeKeySchema, SpawnedSchema, type SpawnedTask } from "../core/schema/workflow.ts";
import { encodeResult } from "./encode-result.ts";
import type { Registry } from "./handlers/compose.ts";
import { NonRetryableError } from "./handlers/errors.ts";

export class Spawning {
  /** JSON text of each, as it was when it was spawned, by its key. */
  readonly #texts = new Map<string, string>();
  #bytes = 0;
  readonly #registry: Registry;
  readonly #ports: Pick<Ports, "now">;

  constructor(registry: Registry, ports: Pick<Ports, "now">) {
    this.#registry = registry;
    this.#ports = ports;
  }

  /** JSON text for the outcome; null: nothing was spawned. */
  get text(): string | null {
    return this.#texts.size === 0 ? null : `[${[...this.#texts.values()].join(",")}]`;
  }

  /** @throws NonRetryableError that names what is wrong */
  add(task: SpawnedTask): void {
    if (this.#texts.size >= MAX_SPAWNED) throw refused(`an attempt spawns ${MAX_SPAWNED} tasks at most`);
    const told = this.#checked(task);
    const text = JSON.stringify(told);
    // The list's brackets and commas: one more a task, and one.
    this.#bytes += utf8Bytes(text) + 1;
    if (this.#bytes + 1 > MAX_RESULT_BYTES) throw refused(`all together is over ${MAX_RESULT_BYTES} bytes of JSON`);
    this.#texts.set(told.key, text);
  }

  #checked(task: SpawnedTask): SpawnedTask {
    const parsed = SpawnedSchema.safeParse(task);
    if (!parsed.success) throw wrong(explainIssues(parsed.error.issues), NodeKeySchema.safeParse(task?.key).data);
    const { key, type, dependsOn = [], runAt } = parsed.data;
    if (this.#texts.has(key)) throw refused(`the key ${key} was spawned before`);
    const missing = dependsOn.find((parent) => !this.#texts.has(parent));
    if (missing !== undefined)
      throw refused(`${key} depends on ${missing}, which this attempt has not spawned before it`);
    const now = this.#ports.now();
    if (runAt !== undefined && isTooFar(timeOf({ runAt }, now), now)) throw wrong(TOO_FAR.errors, key);
    const encoded = encodeResult(parsed.data.payload, `the payload of ${key}`);
    if (!encoded.ok) throw refused(encoded.message);
    const payload = JSON.parse(encoded.text) as unknown;
    const handler = this.#registry.get(type);
    const checked = checkPayload(payload, handler ? handledType(handler) : declaredType(type));
    if (typeof checked !== "string") throw wrong(under("/payload", checked).errors, key);
    return { ...parsed.data, payload };
  }
}

function wrong(errors: readonly FieldError[], key?: string): NonRetryableError {
  const [first] = errors;
  const place = [key, first?.pointer].filter(Boolean).join(" ");
  return refused(`${place}${place === "" ? "what is spawned" : ""} ${first?.detail ?? "is no task"}`);
}

function refused(problem: string): NonRetryableError {
  return new NonRetryableError(`spawn: ${problem}`);
}
