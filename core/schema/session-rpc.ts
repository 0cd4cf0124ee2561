/** What a worker asks of a shard, and is answered: it is called by a ticket, opens a session, and advances turn by turn. */
import type { AttemptError } from "../errors.ts";
import type { RunId, Seq } from "../ids.ts";
import type { Answer, Versioned } from "./answer.ts";

/** Permission to work; carries no task. A hint: lost, late or doubled it harms nothing. */
export interface Ticket extends Versioned {
  /** Name of the shard's object. */
  readonly object: string;
  readonly ticket: string;
  /** Unix ms. */
  readonly issuedAt: number;
  readonly solo: boolean;
}

export interface Worker {
  readonly name: string;
  readonly kind: "consumer" | "pull";
  /** Each type it can run, and up to which version. */
  readonly types: Readonly<Record<string, number>>;
  /** Set by local servers alone: an earlier boot's sessions are known to be dead. */
  readonly boot: string | null;
  /** Names this one stay: to open again under it, because no answer came, is answered with the session that it has. */
  readonly stay?: string;
}

export interface OpenRequest extends Versioned {
  readonly ticket: string | null;
  readonly solo: boolean;
  readonly worker: Worker;
  /** How many tasks it would take with the answer (the first claim rides along). */
  readonly want: number;
}

/** A task handed to a session. */
export interface ClaimedTask {
  readonly seq: Seq;
  readonly type: string;
  readonly version: number;
  /** JSON text. */
  readonly payload: string;
  /** Ordinal of this attempt, 1 for the first. */
  readonly attempt: number;
  readonly timeoutMs: number;
  /** true: into a free slot, and so begun. false: ahead of the slots; the session reports when it starts. */
  readonly started: boolean;
  /** The run that it is a node of. */
  readonly workflow?: { readonly id: RunId; readonly node: string };
}

export interface Handout {
  readonly tasks: readonly ClaimedTask[];
  /** Of the outcomes just told: those that did not count (no longer this session's attempt). */
  readonly lost: readonly Seq[];
  /** Tasks of this session whose cancellation was asked for. */
  readonly cancel: readonly Seq[];
  /** finish: take nothing more, end what is running, then close. drain: the same, but hand back what outlasts DRAIN_SECONDS. */
  readonly stop: "no" | "finish" | "drain";
}

export type OpenAnswer = Answer<{
  /** null: nothing to do. */
  readonly session: number | null;
  readonly slots: number;
  readonly leaseMs: number;
  readonly lingerMs: number;
  readonly handout: Handout;
}>;

interface OutcomeOf {
  readonly seq: Seq;
  readonly attempt: number;
  /**
   * The turn whose answer handed the task out (0: `open`). With session and attempt the fence: a claim that went back
   * unbegun and comes again has the same attempt. Absent (an older worker): not checked.
   */
  readonly turn?: number;
  /** Unix ms, the worker's clock. */
  readonly startedAt: number;
  readonly endedAt: number;
}
export type Outcome =
  | (OutcomeOf & {
      readonly kind: "succeeded";
      /** JSON text. */
      readonly result: string;
      /** JSON text of what it spawned, a list of SpawnedTask; of a workflow's node alone. */
      readonly spawned?: string;
    })
  | (OutcomeOf & { readonly kind: "failed"; readonly error: AttemptError; readonly retryable: boolean })
  /** The handler asked for later: no attempt is spent. */
  | (OutcomeOf & { readonly kind: "snoozed"; readonly delayMs: number })
  /** Handed back: no attempt is spent; where it did not begin, whatever slot the shard meant it for, there was none. */
  | (OutcomeOf & { readonly kind: "returned"; readonly hasBegun?: boolean })
  /** It stopped, or had to, because that was asked for. */
  | (OutcomeOf & { readonly kind: "cancelled"; readonly error: AttemptError });

export interface AdvanceRequest extends Versioned {
  readonly session: number;
  /** 1, 2, 3 …; `open` was 0. The same turn again gets the same answer. */
  readonly turn: number;
  /** Every turn up to this one has been answered or given up by the session (polls overlap by one). */
  readonly answered: number;
  /**
   * Every task that the session still has to account for, outcomes of this turn excluded. A claim handed out by an
   * answered turn and not named here never arrived: it goes back to QUEUED, no attempt spent.
   */
  readonly holding: readonly Seq[];
  /** Of those: begun since the last turn. */
  readonly started: readonly Seq[];
  readonly outcomes: readonly Outcome[];
  /** JSON texts of a Progress. */
  readonly progress: readonly (readonly [Seq, string])[];
  /** How many more tasks it would take. */
  readonly want: number;
  /** How long the shard may keep the question open while it has nothing. */
  readonly waitMs: number;
  /** The `stop` that the session has heard: it is no reason to answer at once again. */
  readonly heard?: Handout["stop"];
  /** Tasks whose cancellation the session has heard of: no news. Absent (an older worker): it is told of none. */
  readonly cancelling?: readonly Seq[];
}
export type AdvanceAnswer = Answer<{ readonly handout: Handout }>;

export interface CloseRequest extends Versioned {
  readonly session: number;
  readonly turn: number;
  readonly outcomes: readonly Outcome[];
}
export type CloseAnswer = Answer<{ readonly lost: readonly Seq[] }>;

export interface SessionRpc {
  open(request: OpenRequest): Promise<OpenAnswer>;
  advance(request: AdvanceRequest): Promise<AdvanceAnswer>;
  close(request: CloseRequest): Promise<CloseAnswer>;
  /** A ticket that Cloudflare gave up on. */
  deadTicket(request: Versioned & { readonly ticket: Ticket }): Promise<Answer<object>>;
}
