/**
 * What the operations of a shard share: SQL (the truth), memory (its picture, rebuilt at will), the open calls, and the
 * world. Must stay true: memory is only changed inside or after a transaction, and any throw discards it.
 * The Durable Object class wraps this; the simulation drives the same operations on node:sqlite.
 */

import { type Seq, type ShardAddress, shardName } from "../../core/ids.ts";
import type { Ports } from "../../core/ports.ts";
import type { Refusal } from "../../core/schema/answer.ts";
import type { ReadAnswer, SubmitAnswer, SubmitRequest } from "../../core/schema/rpc.ts";
import type { AdvanceAnswer, AdvanceRequest, Handout } from "../../core/schema/session-rpc.ts";
import type { WatchAnswer, WatchRequest } from "../../core/schema/watch-rpc.ts";
import { migrate, schemaState } from "../sql/migrate.ts";
import type { Sql } from "../sql/sql.ts";
import { Outbound } from "./ended/outbound.ts";
import { loadMemory } from "./load-memory.ts";
import { beginTurns, countLimits, type Memory } from "./memory.ts";
import { SHARD_MIGRATIONS } from "./migrations.ts";
import { rereadWindows } from "./waiting/lane-rows.ts";

/** What the object that hosts a shard lends it. */
export interface ShardHost {
  /** Replaces the one alarm (Unix ms). */
  setAlarm(at: number): void;
  /** Keeps the object in memory until the work has ended; a rejection is logged there. */
  keepAlive(work: Promise<unknown>): void;
}

/** A long poll of a session that has nothing to do: answered by new work, by a newer turn, or when its time is up. */
export interface ParkedPoll {
  readonly turn: number;
  readonly want: number;
  /** The `stop` that the session knows of. */
  readonly heard: Handout["stop"];
  /** As its {@link AdvanceRequest} said. */
  readonly cancelling: AdvanceRequest["cancelling"];
  readonly respond: (answer: AdvanceAnswer) => void;
  readonly stopTimer: () => void;
}

/** Who is told of an end, beside history. */
export const NOTICE_SINKS = ["dead-letters", "run", "directory"] as const;
export type NoticeSink = (typeof NOTICE_SINKS)[number];
/** A receiver that is being told. */
export interface Telling {
  /** Unix ms. */
  readonly since: number;
  /** It has not answered for a while, or did not the last time. */
  isSlow: boolean;
}

/** What is looked at of a submission to admit it. */
export interface Submitted {
  readonly request: SubmitRequest;
}
export interface PendingSubmission extends Submitted {
  readonly respond: (answer: SubmitAnswer) => void;
}

export interface TaskWaiter {
  readonly respond: (answer: ReadAnswer) => void;
  readonly stopTimer: () => void;
}

export interface Watcher {
  readonly seen: WatchRequest["seen"];
  readonly respond: (answer: WatchAnswer) => void;
  readonly stopTimer: () => void;
}

export class Shard {
  readonly address: ShardAddress;
  readonly name: string;
  readonly sql: Sql;
  readonly ports: Ports;
  readonly host: ShardHost;

  /** Submissions of this turn of the event loop; `grouping` while a commit of it is due. */
  readonly submissions: PendingSubmission[] = [];
  grouping = false;
  readonly parked = new Map<number, ParkedPoll>();
  readonly waiters = new Map<Seq, Set<TaskWaiter>>();
  readonly watchers = new Set<Watcher>();
  /** The same by what they watch. */
  readonly watchersOf = new Map<Seq, Set<Watcher>>();
  /** When it was last looked whether what they watch has changed (Unix ms); and what stops the look that is due. */
  watchedAt = 0;
  stopWatchLook: (() => void) | null = null;
  /** Since when history is being flushed (Unix ms); null: it is not. */
  flushingSince: number | null = null;
  /** Receivers of notices that are being told. */
  readonly telling: Readonly<Record<NoticeSink, Map<string | null, Telling>>> = {
    "dead-letters": new Map(),
    run: new Map(),
    directory: new Map(),
  };
  readonly outbound = new Outbound();
  /** Local shutdown: every session is told to stop. */
  draining = false;
  /** Dead letters that had to go and were not told yet, and when they are (Unix ms). */
  readonly trimmed = { count: 0, tellAt: 0 };
  /** How often everything was forgotten since this object is in memory. */
  forgotten = 0;
  /** When the platform will wake us (Unix ms); null: unknown or never. */
  alarmAt: number | null = null;
  #memory: Memory | null = null;

  constructor(address: ShardAddress, sql: Sql, ports: Ports, host: ShardHost) {
    this.address = address;
    this.name = shardName(address);
    this.sql = sql;
    this.ports = ports;
    this.host = host;
  }

  get memory(): Memory {
    if (!this.#memory) {
      // An object that has been written to before runs what a newer version added; a fresh one stays without tables.
      if (schemaState(this.sql, SHARD_MIGRATIONS) === "behind") migrate(this.sql, SHARD_MIGRATIONS);
      const memory = loadMemory(this.sql, this.ports.boot);
      countLimits(memory, this.address.shard, this.ports.now());
      beginTurns(memory);
      if (memory.settings && memory.settings.ageStepMs !== null) rereadWindows(memory, this.sql);
      this.#memory = memory;
    }
    return this.#memory;
  }

  /** Memory as SQL says, from now on. */
  reload(): void {
    this.#memory = null;
  }

  /** All of `work`'s writes or none; after a throw memory is what SQL says. Makes the tables at the first write. */
  transact<T>(work: () => T): T {
    try {
      return this.sql.transaction(() => {
        if (!this.memory.hasTables) {
          migrate(this.sql, SHARD_MIGRATIONS);
          this.memory.hasTables = true;
        }
        return work();
      });
    } catch (error) {
      this.#memory = null;
      throw error;
    }
  }
}

/** What an operation that threw answers. */
export function failure(error: unknown): Refusal {
  const isMigration = error instanceof Error && error.name === "MigrationError";
  return refuse(isMigration ? "migration-failed" : "internal", error instanceof Error ? error.message : String(error));
}

export function refuse(code: Refusal["code"], detail: string, retryAfterMs?: number): Refusal {
  return { v: 1, ok: false, code, detail, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}
