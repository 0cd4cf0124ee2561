/** What of a queue's settings is as told and probably not as meant. Each warning has words, and the field that it is about. */
import { countOf } from "./count-of.ts";
import { mostShards, type QueueSettings } from "./schema/queue-settings.ts";

export interface SettingWarning {
  /** JSON Pointer. */
  readonly pointer: string;
  readonly detail: string;
}

/** @param knows whether a handler here has a type, or PUT /types declared it */
export function warnOfSettings(settings: QueueSettings, knows: (type: string) => boolean): SettingWarning[] {
  return [...warnOfShares(settings), ...warnOfTypes(settings, knows)];
}

/** Limits are divided over shards; what comes under a key, or all or nothing, goes to some of them, or to one. */
function warnOfShares(settings: QueueSettings): SettingWarning[] {
  const { concurrency, keyShards, rate, typeLimits, shards, autoscale } = settings;
  const most = mostShards(settings);
  if (most <= keyShards) return [];
  const by = shards >= most ? "" : ", once autoscale has brought as many";
  const field = shards >= most || !autoscale ? "/shards" : "/autoscale/maxShards";
  const told: string[] = [];
  const share = (limit: number) => Math.floor(limit / most) || 1;
  if (concurrency !== null) told.push(`${share(concurrency)} of concurrency ${concurrency}`);
  if (rate !== null) told.push(`${share(rate.limit)} of rate ${rate.limit}`);
  for (const [type, limit] of Object.entries(typeLimits)) {
    if (limit.concurrency != null)
      told.push(`${share(limit.concurrency)} of ${type}'s concurrency ${limit.concurrency}`);
    if (limit.rate != null) told.push(`${share(limit.rate.limit)} of ${type}'s rate ${limit.rate.limit}`);
  }
  if (told.length === 0) return [];
  const shown = told.length > 3 ? [...told.slice(0, 3), `${told.length - 3} more`] : told;
  const whom = keyShards === 1 ? "one shard" : `${keyShards} of them`;
  const detail = `A limit is divided among ${countOf(most, "shard")}${by}, and keyed tasks (limitKey, unique, an Idempotency-Key, schedules) go to ${whom}, a batch that is all or nothing to one: each has ${shown.join(", ")} at least. keyShards is fixed when a queue is made.`;
  return [{ pointer: field, detail }];
}

function warnOfTypes({ typeLimits }: QueueSettings, knows: (type: string) => boolean): SettingWarning[] {
  return Object.keys(typeLimits)
    .filter((type) => !knows(type))
    .map((type) => ({
      pointer: `/typeLimits/${type.replaceAll("~", "~0").replaceAll("/", "~1")}`,
      detail: `No handler of this deployment has the type ${type}, and PUT /types has not declared it: the limit counts for nothing yet.`,
    }));
}
