/**
 * The quick yes to a submitted task. Whatever it accepts, `SubmittedTaskSchema` accepts (a test compares the two over
 * random bodies); what it does not, the schema is asked about and explains. Measured without code generation, as
 * workerd runs: 0.05 µs a small task here and 0.15 µs one with every field, 1.3 and 4.5 µs by zod, where a batch of 100
 * has 6.7 µs a task for everything.
 */
import { exceedsBytes, MAX_TAGS_BYTES } from "./bytes.ts";
import { QUEUE_NAME, TYPE_NAME } from "./ids.ts";
import { isCallersKey } from "./keys.ts";
import { parseTime } from "./parse-time.ts";
import { isCapBelowBase } from "./retry.ts";
import { isReceiverUrl, MAX_EVENTS } from "./schema/callback.ts";
import { TASK_KEY } from "./schema/queue-settings.ts";
import {
  MAX_CRASHES,
  MAX_DEBOUNCE_S,
  MAX_DELAY_S,
  MAX_PRIORITY,
  MAX_RESULT_TTL_S,
  MAX_TAGS,
  MAX_TIMEOUT_MS,
  MAX_WINDOW_S,
  PRIORITY_NAMES,
  type SubmittedTask,
  type Unique,
} from "./schema/submission.ts";
import { isFinished, type Status } from "./status.ts";

/**
 * Whether a value parsed from JSON is a submission with nothing wrong in it.
 * @param sameType a type that is known to be well named: most tasks of a batch have one
 */
export function isAcceptable(raw: unknown, sameType?: string): raw is SubmittedTask {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return false;
  let typed = false;
  let paid = false;
  let timed = 0;
  let paced = 0;
  let keyed: Partial<Unique> | null = null;
  let bounded = 0;
  const task = raw as Readonly<Record<string, unknown>>;
  for (const key in task) {
    const value = task[key];
    switch (key) {
      case "type":
        if (typeof value !== "string" || (value !== sameType && !TYPE_NAME.test(value))) return false;
        typed = true;
        break;
      case "payload":
        paid = true;
        break;
      case "queue":
        if (typeof value !== "string" || !QUEUE_NAME.test(value)) return false;
        break;
      case "priority":
        if (!isPriority(value)) return false;
        break;
      case "delaySeconds":
        if (typeof value !== "number" || !(value >= 0 && value <= MAX_DELAY_S)) return false;
        timed++;
        break;
      case "runAt":
        if (typeof value !== "string" || parseTime(value) === null) return false;
        timed++;
        break;
      case "limitKey":
      case "fairnessKey":
        if (typeof value !== "string" || !TASK_KEY.test(value)) return false;
        break;
      case "unique":
        if (!isUnique(value)) return false;
        keyed = value;
        break;
      case "debounceSeconds":
        if (!isWhole(value, 1, MAX_DEBOUNCE_S)) return false;
        paced++;
        timed++;
        break;
      case "throttleSeconds":
        if (!isWhole(value, 1, MAX_WINDOW_S)) return false;
        paced++;
        break;
      case "ttlSeconds":
        if (typeof value !== "number" || !(value > 0 && value <= MAX_DELAY_S)) return false;
        bounded++;
        break;
      case "expiresAt":
        if (typeof value !== "string" || parseTime(value) === null) return false;
        bounded++;
        break;
      case "cache":
        if (value !== "use" && value !== "bypass" && value !== "refresh") return false;
        break;
      case "timeoutMs":
        if (!isWhole(value, 1, MAX_TIMEOUT_MS)) return false;
        break;
      case "retry":
        if (!isRetry(value)) return false;
        break;
      case "maxCrashes":
        if (!isWhole(value, 1, MAX_CRASHES)) return false;
        break;
      case "onCrash":
        if (value !== "retry" && value !== "fail") return false;
        break;
      case "tags":
        if (!areTags(value)) return false;
        break;
      case "keepPayload":
        if (typeof value !== "boolean") return false;
        break;
      case "callback":
        if (!isCallback(value)) return false;
        break;
      case "resultTtlSeconds":
        if (!isWhole(value, 0, MAX_RESULT_TTL_S)) return false;
        break;
      default:
        return false;
    }
  }
  if (keyed !== null && paced > 0 !== (keyed.within === undefined)) return false;
  if (keyed !== null && paced > 0 && keyed.onConflict !== undefined) return false;
  return typed && paid && timed < 2 && paced < 2 && bounded < 2;
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}

function isPriority(value: unknown): boolean {
  return typeof value === "string" ? Object.hasOwn(PRIORITY_NAMES, value) : isWhole(value, 0, MAX_PRIORITY);
}

/** As RetrySchema (schema/queue-settings.ts). */
function isRetry(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const retry = value as Readonly<Record<string, unknown>>;
  for (const key in retry) {
    const told = retry[key];
    switch (key) {
      case "maxAttempts":
        if (!isWhole(told, 1, 100)) return false;
        break;
      case "backoff":
        if (told !== "exponential" && told !== "fixed") return false;
        break;
      case "baseMs":
        if (!isWhole(told, 0, 86_400_000)) return false;
        break;
      case "capMs":
        if (!isWhole(told, 0, 604_800_000)) return false;
        break;
      case "jitter":
        if (told !== "none" && told !== "full") return false;
        break;
      default:
        return false;
    }
  }
  return !isCapBelowBase(retry);
}

/** As UniqueSchema (schema/submission.ts). */
function isUnique(value: unknown): value is Unique {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { by, key, within, windowSeconds, onConflict, ...more } = value as Readonly<Record<string, unknown>>;
  if (by === "key" ? typeof key !== "string" || !isCallersKey(key) : by !== "payload" || key !== undefined)
    return false;
  if (within === "window" ? !isWhole(windowSeconds, 1, MAX_WINDOW_S) : windowSeconds !== undefined) return false;
  if (within !== undefined && within !== "window" && within !== "queued" && within !== "running") return false;
  if (onConflict !== undefined && onConflict !== "return" && onConflict !== "reject" && onConflict !== "replace")
    return false;
  return Object.keys(more).length === 0;
}

/** As CallbackSchema (schema/callback.ts). */
function isCallback(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { url, events, ...more } = value as Readonly<Record<string, unknown>>;
  if (typeof url !== "string" || !isReceiverUrl(url) || Object.keys(more).length > 0) return false;
  if (events === undefined) return true;
  if (!Array.isArray(events) || events.length === 0 || events.length > MAX_EVENTS) return false;
  return events.every((event) => isFinished(event as Status)) && new Set(events).size === events.length;
}

function areTags(value: unknown): boolean {
  if (!Array.isArray(value) || value.length > MAX_TAGS) return false;
  // Brackets, then quotes and a comma a tag; the exact count only where this bound does not settle it.
  let length = 2;
  for (const tag of value as readonly unknown[]) {
    if (typeof tag !== "string" || tag.length === 0 || !tag.isWellFormed()) return false;
    length += tag.length + 3;
  }
  // A character is at most six bytes of JSON (a control character as \u0000).
  return length * 6 <= MAX_TAGS_BYTES || !exceedsBytes(JSON.stringify(value), MAX_TAGS_BYTES);
}
