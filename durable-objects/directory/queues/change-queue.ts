/**
 * Changes a queue's settings (PUT, PATCH, pause, drain, resume) and tells its shards. Every change raises `version`; the push
 * to each shard is recorded in the same transaction, so that none is forgotten whatever happens then.
 * Must stay true: keyShards and history never change, because they say where a task's truth lies.
 */
import { withinRule } from "../../../core/autoscale.ts";
import { findSettingFault } from "../../../core/check-settings.ts";
import { noSuchQueue } from "../../../core/errors.ts";
import type { QueueName } from "../../../core/ids.ts";
import type { Answer, Refusal } from "../../../core/schema/answer.ts";
import type { ChangeAnswer, QueueAction, QueueEntry } from "../../../core/schema/directory-rpc.ts";
import {
  DEFAULT_SETTINGS,
  FIXED_SETTINGS,
  type QueuePatch,
  type QueueSettings,
} from "../../../core/schema/queue-settings.ts";
import type { Hooks } from "../../../core/schema/webhooks-rpc.ts";
import { noteEvent } from "../note-event.ts";
import { write } from "../perform.ts";
import { findRoute } from "../routes/find-route.ts";
import { type DirectoryState, done, refuse } from "../state.ts";
import { outstanding, oweSettings, type Push, sendSettings } from "./push-settings.ts";
import { findQueue, makeQueue, saveQueue } from "./queue-entry.ts";

export interface ChangeRequest {
  readonly queue: QueueName;
  readonly patch: QueuePatch;
  readonly replace: boolean;
  readonly create: boolean;
}

/** Refused: `queue-unknown`, `setting-fixed` and `invalid-request` with the field's pointer. */
export async function changeQueue(state: DirectoryState, request: ChangeRequest): Promise<Answer<ChangeAnswer>> {
  const { queue, patch } = request;
  return await changeAndPush(state, () => {
    const found = findQueue(state, queue);
    if (!found && !request.create) return refuse("queue-unknown", noSuchQueue(queue));
    const told = request.replace ? replaced(found, patch) : patched(found, patch);
    const settings = { ...told, shards: withinRule(told.shards, told.autoscale) };
    const fault = (found && fixedFault(found, settings)) ?? faultOf(state, settings);
    if (fault) return fault;
    return found ? keepChange(state, found, settings) : done({ entry: makeQueue(state, queue, settings), pushes: [] });
  });
}

/** Refused: `queue-unknown`. */
export async function controlQueue(
  state: DirectoryState,
  request: { readonly queue: QueueName; readonly action: QueueAction },
): Promise<Answer<ChangeAnswer>> {
  return await changeAndPush(state, () => {
    const found = findQueue(state, request.queue);
    if (!found) return refuse("queue-unknown", noSuchQueue(request.queue));
    return keepChange(state, found, { ...found.settings, ...CONTROLS[request.action] });
  });
}

const CONTROLS = {
  pause: { paused: true },
  drain: { draining: true },
  resume: { paused: false, draining: false },
} as const satisfies Record<QueueAction, Partial<QueueSettings>>;

/** As an entry has it that nobody is told of. */
const NO_HOOKS: Hooks = { signing: [], webhooks: [] };

type Change = Answer<{ readonly entry: QueueEntry; readonly pushes: readonly Push[] }>;

async function changeAndPush(state: DirectoryState, change: () => Change): Promise<Answer<ChangeAnswer>> {
  const changed = write(state, change);
  if (!changed.ok) return changed;
  const answered = await sendSettings(state, changed.pushes);
  const undeclared = Object.keys(changed.entry.settings.typeLimits).filter((type) => findRoute(state, type) === null);
  return done({ entry: changed.entry, shards: { asked: changed.pushes.length, answered }, undeclared });
}

/** Nothing new: nothing is written, and shards that have not answered yet are asked again. */
function keepChange(state: DirectoryState, found: QueueEntry, settings: QueueSettings): Change {
  const { queue, createdAt } = found;
  if (sameSettings(found.settings, settings)) return done({ entry: found, pushes: outstanding(state, queue) });
  const entry = saveQueue(state, queue, { ...settings, version: found.settings.version + 1 }, createdAt);
  noteEvent(state, "queue-changed", `${queue}: ${deeds(found.settings, settings).join(", ")}`, queue);
  return done({ entry, pushes: oweSettings(state, entry) });
}

/** PUT: a field that is not named gets its default; what is fixed, and what is no field, stays. */
function replaced(found: QueueEntry | null, patch: QueuePatch): QueueSettings {
  if (!found) return { ...DEFAULT_SETTINGS, ...named(patch) };
  const { keyShards, history, paused, draining, generation, version, hooks = NO_HOOKS } = found.settings;
  // Where autoscale has the number of shards, it is not the caller's to put back.
  const { shards } = patch.autoscale ? found.settings : DEFAULT_SETTINGS;
  const kept = { shards, keyShards, history, paused, draining, generation, version, hooks };
  return { ...DEFAULT_SETTINGS, ...kept, ...named(patch) };
}

/** PATCH: `retry` is merged too. */
function patched(found: QueueEntry | null, patch: QueuePatch): QueueSettings {
  const settings = found?.settings ?? DEFAULT_SETTINGS;
  return { ...settings, ...named(patch), retry: { ...settings.retry, ...named(patch.retry ?? {}) } };
}

/** What a field is not told is no change of it, even where it came as `undefined`. */
function named<T extends object>(patch: T): { [Field in keyof T]?: Exclude<T[Field], undefined> } {
  const entries = Object.entries(patch).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Field in keyof T]?: Exclude<T[Field], undefined> };
}

function fixedFault(found: QueueEntry, settings: QueueSettings): Refusal | null {
  for (const field of FIXED_SETTINGS)
    if (settings[field] !== found.settings[field])
      return refuse("setting-fixed", `${field} is ${found.settings[field]} since ${found.queue} was made`, {
        pointer: `/${field}`,
      });
  return null;
}

function faultOf(state: DirectoryState, settings: QueueSettings): Refusal | null {
  const fault = findSettingFault(settings, state.host.cpuMs);
  if (fault) return refuse("invalid-request", `${fault.field} ${fault.detail}`, { pointer: `/${fault.field}` });
  if (state.ports.history(settings.history) === null)
    return refuse("invalid-request", `history ${settings.history} is not there: bind HISTORY_${settings.history}`, {
      pointer: "/history",
    });
  return null;
}

function sameSettings(before: QueueSettings, after: QueueSettings): boolean {
  return changes(before, after).length === 0;
}

/** Names of the fields that differ. */
function changes(before: QueueSettings, after: QueueSettings): string[] {
  const fields = Object.keys({ ...before, ...after }) as (keyof QueueSettings)[];
  return fields.filter((field) => stable(before[field]) !== stable(after[field]));
}

/** What was done, for the operator: paused, drained or resumed, and the names of the settings that differ. */
function deeds(before: QueueSettings, after: QueueSettings): string[] {
  const said = changes(before, after).map((field) => {
    if (field === "paused") return after.paused ? "paused" : "resumed";
    if (field === "draining") return after.draining ? "drained" : "resumed";
    return field;
  });
  return [...new Set(said)];
}

function stable(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "";
  return JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
