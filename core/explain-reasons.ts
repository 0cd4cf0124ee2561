/** What may hold a waiting task back: a closed set of codes, each with its numbers. Codes are API: added, never renamed. */
import type { Ahead } from "./count-ahead.ts";
import type { Rate } from "./token-bucket.ts";

/** What shards have of a limit that is divided. */
export interface Share {
  /** The limit as it is set. */
  readonly of: number;
  /** Among how many it is divided. */
  readonly shards: number;
  /** The share of how many of them is told of. */
  readonly told: number;
}

/** So many may run at once, and so many do; the rest of the room is taken by those that go before. */
interface AtConcurrency {
  readonly running: number;
  readonly limit: number;
  /** Absent: `limit` is the whole. */
  readonly share?: Share;
}
interface AtRate extends Rate {
  readonly share?: Share;
  readonly nextTokenAt: string;
  /** When the token comes that is this task's, once those have theirs that go first as things stand. */
  readonly ownTokenAt: string;
}

type ReasonOf =
  | { readonly code: "paused" }
  /** The local service is being stopped. */
  | { readonly code: "stopping" }
  | { readonly code: "scheduled"; readonly until: string }
  | {
      readonly code: "retrying";
      readonly until: string;
      readonly attemptsSpent: number;
      readonly crashes: number;
      readonly error: { readonly code: string; readonly message: string } | null;
    }
  /** `known`: the highest version that a worker has; null: none has the type. */
  | { readonly code: "no-worker"; readonly type: string; readonly version: number; readonly known: number | null }
  /** Holds nothing back: by then it must have begun. */
  | { readonly code: "expires"; readonly at: string }
  | ({ readonly code: "queue-concurrency" } & AtConcurrency)
  | ({ readonly code: "type-concurrency"; readonly type: string } & AtConcurrency)
  | ({ readonly code: "key-concurrency"; readonly limitKey: string } & AtConcurrency)
  | ({ readonly code: "queue-rate" } & AtRate)
  | ({ readonly code: "type-rate"; readonly type: string } & AtRate)
  | ({ readonly code: "key-rate"; readonly limitKey: string } & AtRate)
  /** It runs alone; `isBusy`: another that must does so now. */
  | { readonly code: "solo"; readonly crashes?: number; readonly isBusy: boolean }
  | {
      readonly code: "no-free-slot";
      readonly sessions: number;
      readonly maxSessions: number;
      readonly slots: number;
    }
  /** Workers were called and have not come yet. */
  | {
      readonly code: "awaits-worker";
      readonly tickets: number;
      readonly calledAt: string;
      /** Calls before these that nobody followed. */
      readonly unheeded: number;
    }
  /** Holds it back where there are as many as could be taken at once. */
  | ({ readonly code: "ahead"; readonly among: Among } & Omit<Ahead, "ofType" | "ofKey" | "sure">);

/** Where a task's limitKey, type or solitude holds it back, only those count that wait for the same. */
export type Among = "queue" | "type" | "limitKey" | "solo";

export type Reason = ReasonOf & {
  /** For people. */
  readonly detail: string;
};
export type ReasonCode = Reason["code"];

/** A reason, and until when it holds the task back: Unix ms, nobody knows, or it does not. */
export interface Bounded {
  readonly reason: Reason;
  readonly until: number | "unknown" | "no";
}
