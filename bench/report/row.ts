/** What a scenario finds out: rows, each with what it is held against. This is also the shape of results/latest.json. */
import type { Figure } from "./figure.ts";

export type Unit = "req/s" | "tasks/s" | "runs/s" | "ms" | "rows" | "$" | "times";

/** What was measured beside the row, alternating with it. */
export interface Beside {
  readonly name: string;
  readonly figure: Figure;
  /** The row over this, pair by pair. */
  readonly ratio: Figure;
  readonly cpuUs: Figure | null;
}

export interface Goal {
  /** What is compared: "of empty", "p50", … */
  readonly what: string;
  readonly sign: "≥" | "≤";
  readonly goal: number;
  readonly got: number;
  readonly met: boolean;
}

export interface Row {
  readonly scenario: string;
  readonly name: string;
  readonly unit: Unit;
  readonly figure: Figure;
  /** CPU time of the service (runtime and server), µs a request or task; null where it cannot be told. */
  readonly cpuUs: Figure | null;
  readonly beside: readonly Beside[];
  readonly goals: readonly Goal[];
  readonly note: string | null;
  /** Other task queues on the same machine, by name. None is measured yet. */
  readonly peers: Readonly<Record<string, Figure>>;
}

export function goal(what: string, sign: Goal["sign"], wanted: number, got: number): Goal {
  return { what, sign, goal: wanted, got, met: sign === "≥" ? got >= wanted : got <= wanted };
}

/** A row with nothing beside it. */
export function plainRow(row: Pick<Row, "scenario" | "name" | "unit" | "figure"> & Partial<Row>): Row {
  return { cpuUs: null, beside: [], goals: [], note: null, peers: {}, ...row };
}
