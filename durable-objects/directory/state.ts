/**
 * What the operations of a Directory share: its name, SQL (all of its truth), the world, and its alarm. There is next
 * to no memory: the Workers cache what they look up here, so this object is asked seldom.
 * The Durable Object class wraps this; tests drive the same operations on node:sqlite.
 */
import type { Ports } from "../../core/ports.ts";
import type { Answer, Refusal } from "../../core/schema/answer.ts";
import { type Migration, migrate, type SchemaState, schemaState } from "../sql/migrate.ts";
import type { Sql } from "../sql/sql.ts";
import { ROOT } from "../stubs.ts";
import { DIRECTORY_MIGRATIONS } from "./migrations.ts";

/** What the object that hosts a Directory lends it. */
export interface DirectoryHost {
  /** Replaces the one alarm (Unix ms). A failure is logged there, the watchdog mends it. */
  setAlarm(at: number): void;
  /** When the platform will wake us (Unix ms), as it says itself; null: never. */
  getAlarm(): Promise<number | null>;
  /** What an invocation of a consumer may compute (CPU_MS): a lease must outlast it. */
  readonly cpuMs: number;
  /** Keeps the object in memory until the work has ended; a rejection is logged there. */
  keepAlive(work: Promise<unknown>): void;
}

export class DirectoryState {
  /** A tenant, or `_root`. */
  readonly name: string;
  readonly sql: Sql;
  readonly ports: Ports;
  readonly host: DirectoryHost;
  readonly #migrations: readonly Migration[];
  #schema: SchemaState | null = null;

  /** When the platform will wake us (Unix ms); null: unknown or never. */
  alarmAt: number | null = null;
  /** Fires on their way to a shard (`fireKey`): they are not missed before their call has ended. */
  readonly inFlight = new Set<string>();
  /** When it was last asked how fires of a schedule stand, because its history was read (Unix ms). */
  readonly lookedAt = new Map<string, number>();

  constructor(
    name: string,
    sql: Sql,
    ports: Ports,
    host: DirectoryHost,
    migrations: readonly Migration[] = DIRECTORY_MIGRATIONS,
  ) {
    this.name = name;
    this.sql = sql;
    this.ports = ports;
    this.host = host;
    this.#migrations = migrations;
  }

  get isRoot(): boolean {
    return this.name === ROOT;
  }

  /** Whether anything was ever written here; brings older tables up to date. @throws MigrationError */
  hasTables(): boolean {
    this.#schema ??= schemaState(this.sql, this.#migrations);
    if (this.#schema === "behind") this.transact(() => undefined);
    return this.#schema !== "none";
  }

  /** All of `work`'s writes or none. Makes the tables at the first one. @throws what `work` throws, MigrationError */
  transact<T>(work: () => T): T {
    const result = this.sql.transaction(() => {
      if (this.#schema !== "current") migrate(this.sql, this.#migrations);
      return work();
    });
    this.#schema = "current";
    return result;
  }
}

export function done<T extends object>(fields: T): Answer<T> {
  return { v: 1, ok: true, ...fields };
}

export function refuse(code: Refusal["code"], detail: string, more: Partial<Refusal> = {}): Refusal {
  return { v: 1, ok: false, code, detail, ...more };
}
