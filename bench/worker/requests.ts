/** Work that a scenario asks of an object: what crosses from Node to the Worker. */
import type { Versioned } from "../../core/schema/answer.ts";

export interface FillRequest extends Versioned {
  readonly count: number;
  readonly type: string;
  readonly priority: number;
  readonly payload: string;
}

/** Sessions that know one type, and take their turns one after the other. */
export interface TurnsRequest extends Versioned {
  readonly phase: "open" | "claim" | "settle" | "close";
  readonly type: string;
  readonly sessions: number;
  /** Of each session. */
  readonly turns: number;
  /** Tasks a turn. */
  readonly size: number;
}
