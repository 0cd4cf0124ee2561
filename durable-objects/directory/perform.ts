/**
 * How each operation is done: a question is asked of SQL, a change is one transaction, and nothing is thrown across
 * RPC. Afterwards the alarm is what it must be. A refusal rolls back whatever its operation wrote, first tables included.
 */
import type { Answer, Refusal } from "../../core/schema/answer.ts";
import { MigrationError } from "../sql/migrate.ts";
import { arm, repairAlarm } from "./arm.ts";
import { type DirectoryState, refuse } from "./state.ts";

/** Thrown inside a transaction to undo it; caught by `write`. */
class Undo extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.detail);
    this.refusal = refusal;
  }
}

/** Answers a question; `fresh` where nothing was ever written here. Never throws. */
export function read<T extends object>(state: DirectoryState, fresh: Answer<T>, work: () => Answer<T>): Answer<T> {
  try {
    if (!state.hasTables()) return fresh;
    const answer = work();
    repairAlarm(state);
    return answer;
  } catch (error) {
    return failure(error);
  }
}

/** Does something in one transaction. Never throws. */
export function write<T extends object>(state: DirectoryState, work: () => Answer<T>): Answer<T> {
  try {
    const answer = state.transact(() => {
      const result = work();
      if (!result.ok) throw new Undo(result);
      return result;
    });
    arm(state);
    return answer;
  } catch (error) {
    return error instanceof Undo ? error.refusal : failure(error);
  }
}

function failure(error: unknown): Refusal {
  const detail = error instanceof Error ? error.message : String(error);
  return refuse(error instanceof MigrationError ? "migration-failed" : "internal", detail);
}
