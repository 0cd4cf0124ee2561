/** Who runs finished tasks again, each at most once, as the door does: with what a read found of it. */
import { type ShardAddress, taskId } from "../../core/ids.ts";
import { replayOf } from "../../core/replay.ts";
import { isFinished } from "../../core/status.ts";
import { NO_PAYLOAD, type TaskRecord } from "../../core/task.ts";
import { isDeleted } from "../../history/tombstone.ts";
import type { Client } from "./client.ts";
import type { SimulatedHistory } from "./history-database.ts";
import type { KnownTask, Model } from "./model.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";
import { Life } from "./timeline.ts";
import { must } from "./violation.ts";

export interface ReplayDeps {
  readonly address: ShardAddress;
  readonly random: Random;
  readonly tally: Tally;
  readonly network: Network;
  readonly model: Model;
  readonly history: SimulatedHistory;
  readonly client: Client;
}

export class Replays {
  readonly #life = new Life("replays");
  readonly #deps: ReplayDeps;
  readonly #asked = new Set<KnownTask>();

  constructor(deps: ReplayDeps) {
    this.#deps = deps;
  }

  replay(): void {
    const { model, network, random, history } = this.#deps;
    const ended = [...model.tasks.values()].filter(
      (task) => (task.status === "GONE" || task.status === "FAILED") && !this.#asked.has(task),
    );
    const [first, ...others] = ended;
    if (!first) return;
    const task = random.pick([first, ...others]);
    this.#asked.add(task);
    network
      .call(this.#life, "read", { v: 1, seqs: [task.seq] })
      .then((answer) => {
        const record = answer.ok ? (answer.tasks[0] ?? history.find(task.seq)) : null;
        if (record && isFinished(record.status) && !isDeleted(record)) this.#repeat(record);
      })
      .catch(() => {});
  }

  #repeat(record: TaskRecord): void {
    const { address, client, tally } = this.#deps;
    tally.count(`replay: ${record.status}`);
    const again = replayOf(record, taskId(address, record.seq), {
      payload: { text: client.drawPayload({}), version: 1 },
    });
    client.send({ v: 1, settingsVersion: client.settings.version, atomic: true, tasks: [again], repeats: record });
  }
}

/** When everything is in D1: whoever repeats a task says so, and the task tells of it. */
export function checkReplays(address: ShardAddress, model: Model, history: SimulatedHistory): void {
  for (const { seq, options } of model.tasks.values()) {
    if (options.replayOf === undefined) continue;
    const row = history.find(seq);
    must(
      row === null || isDeleted(row) || row.links?.replayOf === options.replayOf,
      () => `D1 does not say what task ${seq} repeats`,
    );
    const old = [...model.tasks.values()].find((task) => taskId(address, task.seq) === options.replayOf);
    if (!old && [...model.forgotten.keys()].some((one) => taskId(address, one) === options.replayOf)) continue;
    must(old !== undefined, () => `task ${seq} repeats ${options.replayOf}, which is nowhere`);
    // A replay that was read before the redrive, and came after it, is told by `replayOf` alone.
    const became = model.redriven.get(old.seq);
    if (became !== undefined && became !== seq) continue;
    const told = history.find(old.seq);
    // Of one whose data is being deleted a shard tells nothing more, though D1 may have refused to delete it.
    if (model.erasing.has(old.seq)) continue;
    const tells = told?.links?.replayedBy?.includes(taskId(address, seq)) === true;
    must(
      tells || told === null || told.payload === NO_PAYLOAD,
      () => `task ${old.seq} does not tell that ${seq} repeats it`,
    );
  }
}
