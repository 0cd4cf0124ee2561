/**
 * D1 behind a network: the statements of history/write.ts run on node:sqlite, but the answer may be late, lost after the
 * write, refused, or never come. For some time it may be down, and some tasks it will not take at all.
 */
import type { Seq } from "../../core/ids.ts";
import type { HistoryDatabase, HistoryResult, HistoryStatement } from "../../core/ports.ts";
import { type HistoryRecord, type HistoryRow, recordOfRow } from "../../history/record.ts";
import { NodeD1 } from "../support/node/d1.ts";
import type { Faults } from "./faults.ts";
import { SIMULATED } from "./host.ts";
import type { Random } from "./random.ts";
import { Life, type Timeline } from "./timeline.ts";

/** A payload with this in it is refused by the database itself. */
export const UNWELCOME = "unwelcome-in-history";

/** One database a process: making it costs more than a seed has time for. */
const d1 = new NodeD1();
d1.sqlite.exec(`CREATE TRIGGER unwelcome BEFORE INSERT ON history WHEN instr(NEW.payload, '${UNWELCOME}')
  BEGIN SELECT RAISE(ABORT, 'CHECK constraint failed: ${UNWELCOME}'); END`);
const FIND = d1.sqlite.prepare(`SELECT json_array(seq, rev, status, type, created_at, ended_at, expires_at,
  result_expires_at, json(detail), payload, result) AS row FROM history WHERE seq = ?`);

export class SimulatedHistory {
  /** No call is answered before this moment of the timeline. */
  downUntil = 0;
  readonly #wire = new Life("D1");
  readonly #timeline: Timeline;
  readonly #faults: Faults;
  readonly #random: Random;

  constructor(timeline: Timeline, faults: Faults, random: Random) {
    d1.sqlite.exec("DELETE FROM history");
    this.#timeline = timeline;
    this.#faults = faults;
    this.#random = random;
  }

  /** What D1 has, whatever the network says. */
  find(seq: Seq): HistoryRecord | null {
    const found = FIND.get(seq);
    return found ? recordOfRow(JSON.parse(String(found.row)) as HistoryRow) : null;
  }

  /**
   * The database as one life of an object sees it.
   * @param release lets the call out once what was written before is durable
   */
  seenBy(caller: Life, release: (message: () => void) => void): HistoryDatabase {
    return {
      prepare: (statement) => d1.prepare(statement),
      batch: (statements) =>
        new Promise((resolve, reject) => release(() => this.#run(caller, statements, resolve, reject))),
    };
  }

  #run(
    caller: Life,
    statements: HistoryStatement[],
    resolve: (results: HistoryResult[]) => void,
    reject: (error: Error) => void,
  ): void {
    const faults = this.#faults;
    const after = (what: string, run: () => void) =>
      this.#timeline.after(this.#random.between(1, 30), caller, `D1 ${what}`, run);
    if (faults.strikes("d1-hangs")) return;
    if (this.#timeline.now < this.downUntil || faults.strikes("d1-refuses")) {
      after("refuses", () => reject(new Error(`D1_ERROR: ${SIMULATED}: D1 DB is overloaded`)));
      return;
    }
    const isLost = faults.strikes("d1-answer-lost");
    // The write happens whether or not its caller lives to see it.
    this.#timeline.after(this.#random.between(1, 20), this.#wire, "D1 is called", () => {
      d1.batch(statements).then(
        (results) =>
          after("answers", () =>
            isLost ? reject(new Error(`${SIMULATED}: Network connection lost`)) : resolve(results),
          ),
        (error: unknown) =>
          after("refuses a row", () => reject(error instanceof Error ? error : new Error(String(error)))),
      );
    });
  }
}
