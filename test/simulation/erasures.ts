/**
 * Who has the data of finished tasks deleted, as the door does: at the shard, then in D1. From the answers on nothing of
 * it may be anywhere, whatever is still on its way.
 */
import type { Seq, ShardAddress } from "../../core/ids.ts";
import { isFinished } from "../../core/status.ts";
import { NO_PAYLOAD, type TaskRecord } from "../../core/task.ts";
import { packBodies } from "../../history/outbox-body.ts";
import { isDeleted, tombstoneOf } from "../../history/tombstone.ts";
import { writeHistory } from "../../history/write.ts";
import type { SimulatedHistory } from "./history-database.ts";
import { SIMULATED } from "./host.ts";
import type { Model } from "./model.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";
import { Life, type Timeline } from "./timeline.ts";
import { must } from "./violation.ts";

export interface ErasureDeps {
  readonly address: ShardAddress;
  readonly timeline: Timeline;
  readonly random: Random;
  readonly tally: Tally;
  readonly network: Network;
  readonly model: Model;
  readonly history: SimulatedHistory;
  /** The shard's clock. */
  readonly now: () => number;
}

/** Longer than its tombstone need be kept for what is on its way. */
const TTL_S = 60;

export class Erasures {
  readonly #life = new Life("erasures");
  readonly #deps: ErasureDeps;

  constructor(deps: ErasureDeps) {
    this.#deps = deps;
  }

  erase(): void {
    const { model, network, random } = this.#deps;
    const all = [...model.tasks.values()];
    const ended = all.filter(({ status }) => status === "GONE" || status === "FAILED");
    const [first, ...others] = random.chance(0.9) ? ended : all;
    if (!first) return;
    const task = random.pick([first, ...others]);
    model.erasing.add(task.seq);
    network
      .call(this.#life, "erase", { v: 1, seq: task.seq })
      .then(async (answer) => {
        if (!answer.ok) {
          const isExpected = answer.code === "task-unfinished" || answer.detail.includes(SIMULATED);
          must(isExpected, () => `an erasure was answered ${answer.code}: ${answer.detail}`);
          return;
        }
        if (answer.task !== null) this.#erased(task.seq, "in the shard");
        const found = answer.task ?? this.#deps.history.find(task.seq);
        if (found === null || !isFinished(found.status)) return;
        const bodies = packBodies([tombstoneOf(found, TTL_S, this.#deps.now())]);
        if (await this.#write(bodies)) this.#erased(task.seq, "in D1");
      })
      .catch(() => {});
  }

  #erased(seq: Seq, where: string): void {
    const { model, tally } = this.#deps;
    tally.count(`erased ${where}`);
    if (!model.erased.has(seq)) model.erased.set(seq, Math.max(0, ...model.tasks.keys()));
  }

  async #write(bodies: ReturnType<typeof packBodies>): Promise<boolean> {
    const { address, history, timeline } = this.#deps;
    const database = history.seenBy(this.#life, (message) => message());
    const later = (ms: number, run: () => void) => timeline.after(ms, this.#life, "D1 is waited for", run);
    const written = await writeHistory(database, address, bodies, { later });
    return written.ok && written.refused.length === 0;
  }
}

/** When everything is in D1. @returns whether nothing is left of the task */
export function checkErased(seq: Seq, model: Model, row: TaskRecord | null): boolean {
  const isGone = row !== null && isDeleted(row);
  must(!isGone || model.erasing.has(seq), () => `task ${seq} is erased, and nobody asked for that`);
  must(isGone || !model.erased.has(seq), () => `task ${seq} was erased, and D1 has it`);
  if (isGone) must(row.payload === NO_PAYLOAD && row.result === null, () => `D1 has data of ${seq}, which was erased`);
  return isGone;
}

/** What a shard tells of a task, or sends to D1, once it is known to be erased. */
export function checkStaysErased(record: TaskRecord, { erased }: Model): void {
  must(!erased.has(record.seq) || isDeleted(record), () => `task ${record.seq} was erased, and is back`);
}
