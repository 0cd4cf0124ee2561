/**
 * When a schedule fires, and what becomes of fires that were missed. Pure: the Directory keeps `nextAt` and asks here
 * for what is due and what comes then. All times are Unix ms.
 * A fire has a moment that its timing gives, and with jitter it is later than that by a share that depends on the
 * schedule and that moment alone, never as late as the next one: so fires keep their order, and whoever works one out
 * comes to the same.
 * Must stay true: fires of `every` stand on `anchor + k * everySeconds`, whenever they were late; a moment fires once,
 * whatever jitter, start and end are meanwhile, and no two fires of a schedule have the same time.
 */
import { assertNever } from "./assert-never.ts";
import { type CronRule, latestCron, nextCron, previousCron } from "./cron.ts";
import { hashKey } from "./placement.ts";

export type Timing =
  | ({ readonly kind: "cron" } & CronRule)
  | { readonly kind: "every"; readonly everySeconds: number }
  | { readonly kind: "at"; readonly at: number };

/**
 * What becomes of due fires where the oldest is late by more than {@link GRACE_MS}. skip: not made up for, but for one
 * that is on time. once: the latest stands for all of them. all: each, the latest {@link MAX_CAUGHT_UP}.
 */
export const MISSED_POLICIES = ["skip", "once", "all"] as const;
export type MissedPolicy = (typeof MISSED_POLICIES)[number];

export const MAX_CAUGHT_UP = 100;
/** A fire this late is still on time: an alarm may be up to a minute late in a failover (PLATFORM, 2). */
export const GRACE_MS = 60_000;
/** Missed fires of a cron expression are walked one by one, some 20 µs each; beyond this their number is not known. */
export const MAX_COUNTED = 1_000;

export interface FireRule {
  readonly timing: Timing;
  /** First possible fire of `every`. */
  readonly anchor: number;
  /** No fire before this. */
  readonly startAt: number | null;
  /** No fire at or after this. */
  readonly endAt: number | null;
  /** By how much at most a fire is late (ms), and whose. */
  readonly jitter?: { readonly ms: number; readonly schedule: string };
  /** Moments up to this are over: they have fired, or were missed, or it was not begun yet. */
  readonly decided?: number;
}

/** Where a rule stands. */
export interface FireClock {
  /** The next fire; null: none ahead. */
  readonly nextAt: number | null;
  readonly decided: number;
}

/** Where `every` counts from: its start, or one interval after it was made. */
export function anchorOf(timing: Timing, startAt: number | null, now: number): number {
  return startAt ?? (timing.kind === "every" ? now + timing.everySeconds * 1_000 : now);
}

/** A rule that is new, or whose timing is: it fires after `now`, but `at` even where that has passed, and then at once. */
export function beginFires(rule: FireRule, now: number): FireClock {
  const { timing, decided = 0 } = rule;
  const from = Math.max(now, decided);
  if (timing.kind !== "at") return { nextAt: nextFire({ ...rule, decided: from }, from), decided: from };
  return { nextAt: Math.max(jittered(rule, timing.at), now, decided + 1), decided };
}

/**
 * Timing stays, and start, end or jitter are others: the fire that was next is next still, whenever that is by now.
 * @param nextAt by the rule as it was
 */
export function shiftFires(was: FireRule, rule: FireRule, nextAt: number, now: number): FireClock {
  const { timing, decided = 0 } = rule;
  const soonest = Math.min(nextAt, now);
  if (timing.kind === "at") return { nextAt: Math.max(jittered(rule, timing.at), soonest), decided };
  const over = Math.max(decided, Math.min((latestMoment(was, nextAt) ?? nextAt) - 1, now));
  const next = nextMoment(rule, over);
  return { nextAt: next === null ? null : Math.max(jittered(rule, next), soonest), decided: over };
}

/** The first fire strictly after `after`; null: none ahead. @throws where the cron expression or zone can't be read */
export function nextFire(rule: FireRule, after: number): number | null {
  const { decided = Number.NEGATIVE_INFINITY } = rule;
  const latest = rule.jitter && latestMoment(rule, after);
  if (typeof latest === "number" && latest > decided && jittered(rule, latest) > after) return jittered(rule, latest);
  const next = nextMoment(rule, Math.max(after, decided));
  return next === null ? null : jittered(rule, next);
}

/** The first moment strictly after `after` that the timing gives. */
function nextMoment({ timing, startAt, endAt, anchor }: FireRule, after: number): number | null {
  const from = startAt === null ? after : Math.max(after, startAt - 1);
  const moment = stepAfter(timing, anchor, from);
  return moment !== null && (endAt === null || moment < endAt) ? moment : null;
}

/** The last one up to `until`. */
function latestMoment({ timing, startAt, endAt, anchor }: FireRule, until: number): number | null {
  const last = endAt === null ? until : Math.min(until, endAt - 1);
  const moment = stepBack(timing, anchor, last);
  return moment !== null && (startAt === null || moment >= startAt) ? moment : null;
}

/** When the fire of a moment is. */
function jittered(rule: FireRule, moment: number): number {
  const { jitter, endAt } = rule;
  if (!jitter) return moment;
  const next = nextMoment(rule, moment) ?? endAt ?? Number.POSITIVE_INFINITY;
  const most = Math.min(jitter.ms + 1, next - moment);
  return moment + Math.floor((hashKey(`${jitter.schedule}:${moment}`) / 2 ** 32) * most);
}

function stepAfter(timing: Timing, anchor: number, from: number): number | null {
  switch (timing.kind) {
    case "cron":
      return nextCron(timing, from);
    case "every": {
      const step = timing.everySeconds * 1_000;
      return anchor + Math.max(0, Math.floor((from - anchor) / step) + 1) * step;
    }
    case "at":
      return timing.at > from ? timing.at : null;
    default:
      return assertNever(timing);
  }
}

function stepBack(timing: Timing, anchor: number, until: number): number | null {
  switch (timing.kind) {
    case "cron":
      return previousCron(timing, until);
    case "every": {
      const step = timing.everySeconds * 1_000;
      return until < anchor ? null : anchor + Math.floor((until - anchor) / step) * step;
    }
    case "at":
      return timing.at <= until ? timing.at : null;
    default:
      return assertNever(timing);
  }
}

/** The next `count` fires after `after`, for a preview. @throws as {@link nextFire} */
export function previewFires(rule: FireRule, after: number, count: number): number[] {
  const fires: number[] = [];
  for (let at = nextFire(rule, after); at !== null && fires.length < count; at = nextFire(rule, at)) fires.push(at);
  return fires;
}

export interface DueFires {
  /** How many fires are due, at least. */
  readonly count: number;
  /** false: there are more than `count`. */
  readonly exact: boolean;
  /** The latest of them, oldest first, at most {@link MAX_CAUGHT_UP}. */
  readonly latest: readonly number[];
  /** The first one that is not due; null: none ahead. */
  readonly next: number | null;
}

/**
 * What is due of a rule. @param nextAt its fire that was next, at or before `now`. @throws as {@link nextFire}
 */
export function dueFires(rule: FireRule, nextAt: number, now: number): DueFires {
  const next = nextFire(rule, now);
  const { timing } = rule;
  switch (timing.kind) {
    case "at":
      return { count: 1, exact: true, latest: [nextAt], next: null };
    case "every": {
      const step = timing.everySeconds * 1_000;
      const first = latestMoment(rule, nextAt) ?? nextAt;
      const newest = latestMoment(rule, now) ?? first;
      const last = jittered(rule, newest) <= now ? newest : newest - step;
      const count = Math.floor((last - first) / step) + 1;
      const kept = Math.min(count, MAX_CAUGHT_UP);
      const latest = Array.from({ length: kept }, (_, i) => jittered(rule, first + (count - kept + i) * step));
      // What was shifted into the past is of now.
      if (kept === count) latest[0] = nextAt;
      return { count, exact: true, latest, next };
    }
    case "cron": {
      const walked: number[] = [];
      let at: number | null = nextAt;
      for (; at !== null && at <= now && walked.length < MAX_COUNTED; at = nextFire(rule, at)) walked.push(at);
      if (at === null || at > now)
        return { count: walked.length, exact: true, latest: walked.slice(-MAX_CAUGHT_UP), next };
      const last = rule.endAt === null ? now : Math.min(now, rule.endAt - 1);
      // One more: the fire of the latest moment may be ahead still.
      const moments = latestCron(timing, last, MAX_CAUGHT_UP + 1);
      const latest = moments.map((moment) => jittered(rule, moment)).filter((fire) => fire <= now);
      return { count: walked.length, exact: false, latest: latest.slice(-MAX_CAUGHT_UP), next };
    }
    default:
      return assertNever(timing);
  }
}

/** Which of the due fires happen now, oldest first, and how many are missed for good (at least, where not exact). */
export function chooseFires(
  policy: MissedPolicy,
  due: DueFires,
  now: number,
): { fires: readonly number[]; missed: number } {
  const onTime = due.latest.filter((at) => now - at <= GRACE_MS);
  const isGap = onTime.length < due.count;
  const fires = policy === "all" || !isGap ? due.latest : (policy === "skip" ? onTime : due.latest).slice(-1);
  return { fires, missed: due.count - fires.length };
}
