/**
 * What the operations of a run share: SQL (the truth), memory (its picture, without payloads and results), the world.
 * Must stay true: memory is only changed inside or after a transaction, and any throw discards it.
 * The Durable Object class wraps this; tests and the simulation drive the same operations on node:sqlite.
 */
import type { RunId, TaskId, TenantName } from "../../core/ids.ts";
import type { Ports } from "../../core/ports.ts";
import type { Answer, Refusal } from "../../core/schema/answer.ts";
import type { FinishTask, PartOf, RunEnd, RunRecord, RunStatus } from "../../core/schema/workflow-rpc.ts";
import type { Stop } from "../../core/workflow/decide.ts";
import { KnownQueues } from "../../reads/known-queues.ts";
import type { Reader } from "../../reads/reader.ts";
import { migrate, schemaState } from "../sql/migrate.ts";
import type { Sql } from "../sql/sql.ts";
import { HeldCalls } from "./held-calls.ts";
import { RUN_MIGRATIONS } from "./migrations.ts";
import { loadNodes, type RunNode } from "./node-rows.ts";
import { Slots } from "./slots.ts";
import { loadStrays, type Stray } from "./strays.ts";

/** Each holds a result of a MiB of text at most, and as much as it fills in; an object has 128 MB for all that it does. */
const FILL_AT_ONCE = 16;

/** What the object that hosts a run lends it. */
export interface RunHost {
  /** Replaces the one alarm (Unix ms). */
  setAlarm(at: number): void;
  /** Keeps the object in memory until the work has ended; a rejection is logged there. */
  keepAlive(work: Promise<unknown>): void;
  /** Forgets everything that is stored, tables and alarm. */
  deleteAll(): Promise<void>;
}

/** The one row about the run. */
export interface RunHead {
  readonly name: string | null;
  readonly createdAt: number;
  readonly fingerprint: string | null;
  readonly onFinish: FinishTask | null;
  readonly fire: Extract<PartOf, { schedule: string }> | null;
  readonly keepMs: number;
  status: RunStatus;
  endedAt: number | null;
  stop: Stop | null;
  readonly timeoutMs: number | null;
  /** When it is stopped (Unix ms); null: never. */
  timeoutAt: number | null;
  retries: number;
  /** When it was made, taken up again, or stopped last (Unix ms). */
  newsAt: number;
  /** How it ends, from when `onFinish` is told: nothing changes that but a retry. */
  decided: RunEnd | null;
  finishTask: TaskId | null;
  /** Why there is none, and never will be. */
  finishProblem: string | null;
  /** The Directory knows how it ended. */
  isFireTold: boolean;
  compensation: RunRecord["compensation"];
  portions: number;
  listed: RunStatus | null;
}

export interface RunMemory {
  readonly head: RunHead;
  /** Of specs and kept results. */
  bytes: number;
  /** How many nodes have ended: the number of the last one. */
  ends: number;
  readonly nodes: RunNode[];
  readonly byKey: Map<string, number>;
  readonly strays: Set<Stray>;
}

const HEAD = `SELECT name, status, created_at, ended_at, stop, retries, fingerprint, on_finish, finish_task,
  news_at, decided, finish_problem, fire, fire_told, timeout_ms, timeout_at, keep_ms, compensation, portions, listed FROM run`;
const SAVE = `UPDATE run SET status = ?, ended_at = ?, stop = ?, retries = ?, finish_task = ?, fire_told = ?,
  timeout_at = ?, compensation = ?, portions = ?, listed = ?, news_at = ?, decided = ?, finish_problem = ?`;
const BYTES = "SELECT sum(length(CAST(spec AS BLOB)) + coalesce(length(CAST(result AS BLOB)), 0)) AS bytes FROM node";

/** By number, as rows keep it. */
const STOPS: readonly (Stop | null)[] = [null, "cancelled", "timeout"];

interface HeadRow {
  name: string | null;
  status: RunStatus;
  created_at: number;
  ended_at: number | null;
  stop: number;
  retries: number;
  fingerprint: string | null;
  on_finish: string | null;
  news_at: number;
  decided: RunEnd | null;
  finish_task: TaskId | null;
  finish_problem: string | null;
  fire: string | null;
  fire_told: number;
  timeout_ms: number | null;
  timeout_at: number | null;
  keep_ms: number;
  compensation: RunRecord["compensation"];
  portions: number;
  listed: RunStatus | null;
}

export class Run implements Reader {
  readonly tenant: TenantName;
  readonly id: RunId;
  readonly sql: Sql;
  readonly ports: Ports;
  readonly host: RunHost;
  readonly known: KnownQueues;

  readonly held = new HeldCalls();
  /** Payloads and lists whose results are being read. */
  readonly filling = new Slots(FILL_AT_ONCE);
  readonly waiters = new Set<() => void>();
  isWorking = false;
  /** Its row in D1 is being written. */
  listing: Promise<unknown> | null = null;
  /** Its row in D1 is being taken away: nobody writes it. */
  isForgetting = false;
  /** When the latest round of work began (Unix ms): whoever could be asked then has been. */
  roundAt = 0;
  /** Something was written down that the work under way may not have seen. */
  hasNews = false;
  /** When the shards were asked last for the run's tasks (Unix ms); 0: not since this object has its memory. */
  lookedAt = 0;
  /** When the platform will wake us (Unix ms); null: unknown or never. */
  alarmAt: number | null = null;
  #memory: RunMemory | null = null;
  #hasTables = false;

  constructor(tenant: TenantName, id: RunId, sql: Sql, ports: Ports, host: RunHost) {
    this.tenant = tenant;
    this.id = id;
    this.sql = sql;
    this.ports = ports;
    this.host = host;
    this.known = new KnownQueues(ports, tenant, ports.log);
  }

  get log(): Ports["log"] {
    return this.ports.log;
  }

  /** null: there is no such run, or no longer. */
  get memory(): RunMemory | null {
    if (!this.#hasTables) {
      const state = schemaState(this.sql, RUN_MIGRATIONS);
      if (state === "none") return null;
      if (state === "behind") migrate(this.sql, RUN_MIGRATIONS);
      this.#hasTables = true;
    }
    this.#memory ??= this.#load();
    return this.#memory;
  }

  /** All of `work`'s writes or none; after a throw memory is what SQL says. Makes the tables at the first write. */
  transact<T>(work: () => T): T {
    try {
      return this.sql.transaction(() => {
        if (!this.#hasTables) migrate(this.sql, RUN_MIGRATIONS);
        this.#hasTables = true;
        return work();
      });
    } catch (error) {
      this.#hasTables = false;
      this.#memory = null;
      throw error;
    }
  }

  /** As {@link transact}, after something was awaited. @throws where memory was built anew meanwhile: begin again */
  change<T>(memory: RunMemory, work: () => T): T {
    if (this.memory !== memory) throw new Error("the run was read anew meanwhile");
    return this.transact(work);
  }

  /** Inside a transaction. */
  saveHead(): void {
    const head = this.memory?.head;
    if (!head) throw new Error("a run without a row was to be saved");
    this.sql.run(
      SAVE,
      head.status,
      head.endedAt,
      STOPS.indexOf(head.stop),
      head.retries,
      head.finishTask,
      head.isFireTold ? 1 : 0,
      head.timeoutAt,
      head.compensation,
      head.portions,
      head.listed,
      head.newsAt,
      head.decided,
      head.finishProblem,
    );
  }

  /** Memory as SQL says, from now on. */
  reload(): void {
    this.#memory = null;
  }

  /** Nothing is stored any more. */
  forget(): void {
    this.#memory = null;
    this.#hasTables = false;
    this.held.clear();
  }

  #load(): RunMemory | null {
    const [row] = this.sql.all<HeadRow>(HEAD);
    if (!row) return null;
    const nodes = loadNodes(this.sql);
    this.held.load(this.sql);
    const bytes = this.sql.all<{ bytes: number | null }>(BYTES)[0]?.bytes ?? 0;
    const ends = nodes.reduce((last, { endedNo }) => Math.max(last, endedNo ?? 0), 0);
    const byKey = new Map(nodes.map(({ key, i }) => [key, i]));
    return { head: headOf(row), bytes, ends, nodes, byKey, strays: new Set(loadStrays(this.sql)) };
  }
}

function headOf(row: HeadRow): RunHead {
  return {
    name: row.name,
    createdAt: row.created_at,
    fingerprint: row.fingerprint,
    onFinish: row.on_finish === null ? null : (JSON.parse(row.on_finish) as FinishTask),
    fire: row.fire === null ? null : (JSON.parse(row.fire) as RunHead["fire"]),
    keepMs: row.keep_ms,
    status: row.status,
    endedAt: row.ended_at,
    stop: STOPS[row.stop] ?? null,
    timeoutMs: row.timeout_ms,
    timeoutAt: row.timeout_at,
    retries: row.retries,
    newsAt: row.news_at,
    decided: row.decided,
    finishTask: row.finish_task,
    finishProblem: row.finish_problem,
    isFireTold: row.fire_told === 1,
    compensation: row.compensation,
    portions: row.portions,
    listed: row.listed,
  };
}

/** The Directory has not heard how it ended; were it forgotten, another try of its fire would make it anew. */
export function isFireOwed({ head }: RunMemory): boolean {
  return head.fire !== null && !head.isFireTold;
}

export function refuse(code: Refusal["code"], detail: string): Refusal {
  return { v: 1, ok: false, code, detail };
}

export function noSuchRun(id: RunId): Refusal {
  return refuse("workflow-unknown", `There is no workflow run ${id}, or no longer.`);
}

/** What an operation does with the run that there is; `workflow-unknown` where there is none. */
export function withRun<T>(run: Run, work: (memory: RunMemory) => Answer<T>): Answer<T> {
  const { memory } = run;
  return memory ? work(memory) : noSuchRun(run.id);
}
