/**
 * Sees every move that SQL makes, whoever makes it: triggers of the simulation's own, in the temporary schema, so that a
 * rollback takes back what they saw. Also stands in the way of statements: to look at claims before they are done, and
 * to let writes fail.
 */
import type { Seq } from "../../core/ids.ts";
import type { Status } from "../../core/status.ts";
import type { Sql, SqlValue } from "../../durable-objects/sql/sql.ts";
import type { Faults } from "./faults.ts";
import { STORAGE_ERROR } from "./host.ts";

export interface SeenMove {
  readonly seq: Seq;
  readonly was: Status | "NEW";
  readonly now: Status | "GONE";
  /** Of a new task, or of one that was replaced; empty: it is what it was. */
  readonly payload: string;
  readonly options: string | null;
  readonly expires_at: number | null;
  /** Of a dead letter that went. */
  readonly ended_at: number | null;
}

/** What had been seen when the queue was deleted and made again: that much is of the deleted one. */
export interface SeenForget {
  readonly moves: number;
  readonly flushes: number;
  readonly records: number;
}

/** A row of the outbox: one that came, or one that went, and all of it must be in D1 by then, or set aside as refused. */
export interface SeenBody {
  readonly body: string;
  readonly payload: string | null;
  readonly result: string | null;
}

const COLUMNS = "(seq, was, now, payload, options, expires_at, ended_at)";
const SETUP = [
  `CREATE TEMP TABLE seen_move (n INTEGER PRIMARY KEY, seq INTEGER, was TEXT, now TEXT, payload TEXT, options TEXT,
    expires_at INTEGER, ended_at INTEGER)`,
  "CREATE TEMP TABLE seen_flush (n INTEGER PRIMARY KEY, body TEXT, payload TEXT, result TEXT)",
  "CREATE TEMP TABLE seen_record (n INTEGER PRIMARY KEY, body TEXT, payload TEXT, result TEXT)",
  "CREATE TEMP TABLE seen_forget (moves INTEGER, flushes INTEGER, records INTEGER)",
  `CREATE TEMP TRIGGER see_forget AFTER UPDATE OF settings ON main.shard
    WHEN NEW.settings ->> 'generation' > OLD.settings ->> 'generation' BEGIN
    DELETE FROM seen_forget;
    INSERT INTO seen_forget SELECT (SELECT count(*) FROM seen_move), (SELECT count(*) FROM seen_flush),
      (SELECT count(*) FROM seen_record); END`,
  `CREATE TEMP TRIGGER see_record AFTER INSERT ON main.outbox BEGIN
    INSERT INTO seen_record (body, payload, result) VALUES (NEW.body, NEW.payload, NEW.result); END`,
  `CREATE TEMP TRIGGER see_insert AFTER INSERT ON main.task BEGIN
    INSERT INTO seen_move ${COLUMNS}
      VALUES (NEW.seq, 'NEW', NEW.status, NEW.payload, NEW.options, NEW.expires_at, NULL); END`,
  `CREATE TEMP TRIGGER see_update AFTER UPDATE OF status ON main.task
    WHEN OLD.status <> NEW.status OR OLD.payload <> NEW.payload BEGIN
    INSERT INTO seen_move ${COLUMNS} VALUES (NEW.seq, OLD.status, NEW.status,
      iif(NEW.payload = OLD.payload, '', NEW.payload), NEW.options, NEW.expires_at, NULL); END`,
  `CREATE TEMP TRIGGER see_delete AFTER DELETE ON main.task BEGIN
    INSERT INTO seen_move ${COLUMNS} VALUES (OLD.seq, OLD.status, 'GONE', '', NULL, NULL, OLD.ended_at); END`,
  `CREATE TEMP TRIGGER see_flush AFTER DELETE ON main.outbox BEGIN
    INSERT INTO seen_flush (body, payload, result) VALUES (OLD.body, OLD.payload, OLD.result); END`,
  // Tasks of the object's very first write, which also made the table.
  `INSERT INTO seen_move ${COLUMNS} SELECT seq, 'NEW', status, payload, options, expires_at, NULL FROM task ORDER BY seq`,
];
const HAS_TABLE = "SELECT 1 AS one FROM sqlite_master WHERE name = 'task'";
const IS_SET_UP = "SELECT 1 AS one FROM sqlite_temp_master WHERE name = 'seen_move'";

const MOVES = "SELECT seq, was, now, payload, options, expires_at, ended_at FROM seen_move ORDER BY n";
const FLUSHES = "SELECT body, payload, result FROM seen_flush ORDER BY n";
const RECORDS = "SELECT body, payload, result FROM seen_record ORDER BY n";

export interface Seen {
  readonly moves: SeenMove[];
  /** Rows of the outbox that went, and those that came. */
  readonly flushes: SeenBody[];
  readonly records: SeenBody[];
  readonly forgotten: SeenForget | null;
}

export class Witness {
  readonly #sql: Sql;
  #isSetUp = false;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Begins to look as soon as there is something to look at, and again after a rollback of that. */
  attend(): void {
    if (this.#isSetUp || this.#sql.all(HAS_TABLE).length === 0) return;
    if (this.#sql.all(IS_SET_UP).length === 0) for (const statement of SETUP) this.#sql.run(statement);
    this.#isSetUp = true;
  }

  rolledBack(): void {
    this.#isSetUp = false;
  }

  /** What happened since the last time, in order. */
  collect(): Seen {
    this.attend();
    if (!this.#isSetUp) return { moves: [], flushes: [], records: [], forgotten: null };
    const [forgotten = null] = this.#sql.all<SeenForget>("SELECT moves, flushes, records FROM seen_forget");
    if (forgotten) this.#sql.run("DELETE FROM seen_forget");
    const moves = this.#sql.all<SeenMove>(MOVES);
    const flushes = this.#sql.all<SeenBody>(FLUSHES);
    const records = this.#sql.all<SeenBody>(RECORDS);
    if (records.length > 0) this.#sql.run("DELETE FROM seen_record");
    if (moves.length > 0) this.#sql.run("DELETE FROM seen_move");
    if (flushes.length > 0) this.#sql.run("DELETE FROM seen_flush");
    return { moves, flushes, records, forgotten };
  }
}

const READS = /^\s*SELECT/;
const CLAIM = /^UPDATE task SET status = 'RUNNING'/;

export class WatchedSql implements Sql {
  /** Statements that may have changed something. */
  writes = 0;
  readonly #sql: Sql;
  readonly #faults: Faults;
  readonly #onClaim: (session: number, picked: Seq[]) => void;
  readonly #onFailure: () => void;

  /** @param onClaim is told each claim before it is done: the session, and the tasks in the order picked */
  constructor(sql: Sql, faults: Faults, onClaim: (session: number, picked: Seq[]) => void, onFailure: () => void) {
    this.#onFailure = onFailure;
    this.#sql = sql;
    this.#faults = faults;
    this.#onClaim = onClaim;
  }

  all<Row extends object>(statement: string, ...values: SqlValue[]): Row[] {
    this.#watch(statement, values);
    return this.#sql.all<Row>(statement, ...values);
  }

  rows<Row extends readonly SqlValue[]>(statement: string, ...values: SqlValue[]): Row[] {
    this.#watch(statement, values);
    return this.#sql.rows<Row>(statement, ...values);
  }

  #watch(statement: string, values: readonly SqlValue[]): void {
    if (!READS.test(statement)) this.writes++;
    if (CLAIM.test(statement)) this.#onClaim(Number(values[0]), JSON.parse(String(values[1])) as Seq[]);
  }

  run(statement: string, ...values: SqlValue[]): number {
    this.writes++;
    if (this.#faults.strikes("storage-error")) {
      this.#onFailure();
      throw new Error(STORAGE_ERROR);
    }
    return this.#sql.run(statement, ...values);
  }

  transaction<T>(work: () => T): T {
    return this.#sql.transaction(work);
  }
}
