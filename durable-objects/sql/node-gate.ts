/**
 * A Durable Object's output gate on node:sqlite: what one or more turns of the event loop wrote becomes durable in one
 * commit, and whatever would tell the world of it (answers, sends, calls) waits for that commit. At a crash before it
 * all of those writes are gone and nobody was told; at one just after it they are all there, and nobody was told either.
 * The alarm is part of the commit, as in the storage of an object.
 */
import type { DatabaseSync } from "node:sqlite";
import type { NodeSql } from "./node.ts";
import type { Sql, SqlValue } from "./sql.ts";

export interface GatedSql extends Sql {
  readonly database: DatabaseSync;
  /** Whether something was written that is not durable yet. */
  readonly isOpen: boolean;
  /** The alarm (Unix ms) as the object sees it; it is durable with the next commit. */
  alarm: number | null;
  /** Lets a message out: now where nothing waits to be durable, else with the commit. */
  release(message: () => void): void;
  /** Makes durable what was written, then lets out what waited, in order. */
  commit(): void;
  /** @param kept whether the commit had reached the disk before the object died */
  crash(kept: boolean): void;
}

const READS = /^\s*SELECT/i;

/** The database outlives the object: after a crash the same gate serves the next one. */
export function gateSql({ database, ...inner }: NodeSql): GatedSql {
  let isOpen = false;
  let alarm: number | null = null;
  let durableAlarm: number | null = null;
  let waiting: (() => void)[] = [];

  function openGate(): void {
    if (isOpen) return;
    inner.run("BEGIN IMMEDIATE");
    isOpen = true;
  }

  function keep(): void {
    if (isOpen) inner.run("COMMIT");
    isOpen = false;
    durableAlarm = alarm;
  }

  return {
    database,
    get isOpen() {
      return isOpen;
    },
    get alarm() {
      return alarm;
    },
    set alarm(at) {
      openGate();
      alarm = at;
    },
    all<Row extends object>(statement: string, ...values: SqlValue[]): Row[] {
      if (!READS.test(statement)) openGate();
      return inner.all<Row>(statement, ...values);
    },
    rows<Row extends readonly SqlValue[]>(statement: string, ...values: SqlValue[]): Row[] {
      if (!READS.test(statement)) openGate();
      return inner.rows<Row>(statement, ...values);
    },
    run(statement, ...values) {
      openGate();
      return inner.run(statement, ...values);
    },
    transaction(work) {
      openGate();
      return inner.transaction(work);
    },
    release(message) {
      if (isOpen) waiting.push(message);
      else message();
    },
    commit() {
      keep();
      const messages = waiting;
      waiting = [];
      for (const message of messages) message();
    },
    crash(kept) {
      if (kept) keep();
      else {
        if (isOpen) inner.run("ROLLBACK");
        isOpen = false;
        alarm = durableAlarm;
      }
      waiting = [];
    },
  };
}
