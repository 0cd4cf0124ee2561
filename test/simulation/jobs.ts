/**
 * Who redrives dead letters, one or many, and does one thing to many tasks, as the Directory does: counted first, then
 * portion by portion, each asked for again under its number until an answer arrives. However often that is, what a job
 * was told adds up to what it did: what it redrives has its mark, what it cancels says so.
 */
import { type Seq, type ShardAddress, taskId } from "../../core/ids.ts";
import type { BulkPlace, BulkPortion, BulkWork } from "../../core/schema/bulk-rpc.ts";
import type { TaskAnswer } from "../../core/schema/rpc.ts";
import { UNFINISHED } from "../../core/status.ts";
import type { Client } from "./client.ts";
import { TYPES } from "./handlers.ts";
import { SIMULATED } from "./host.ts";
import type { Model } from "./model.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";
import { Life, type Timeline } from "./timeline.ts";
import { must } from "./violation.ts";

export interface JobsDeps {
  readonly address: ShardAddress;
  readonly random: Random;
  readonly tally: Tally;
  readonly network: Network;
  readonly model: Model;
  readonly client: Client;
  readonly timeline: Timeline;
  /** Unix ms, by the shard's clock. */
  readonly now: () => number;
}

const AGAIN_MS = 1_000;
const LOOK_EVERY_MS = 2_000;
const REFUSALS: ReadonlySet<string> = new Set(["draining", "queue-full", "history-backlog"]);

/** A `timeoutMs` that tells who redrove a task: above what any script takes. 0: nobody's job. */
function markOf(job: number): number {
  return 5_000 + job;
}

interface Job {
  readonly number: number;
  readonly work: BulkWork;
  readonly upTo: number;
  readonly generation: number;
  readonly forgets: number;
  readonly asOf: number | null;
  /** What there was when the dry run had answered; null: there was none. */
  readonly meant: ReadonlySet<Seq> | null;
  portion: number;
  after: BulkPlace | null;
  done: number;
}

export class Jobs {
  readonly #life = new Life("jobs");
  readonly #deps: JobsDeps;
  #jobs = 0;

  constructor(deps: JobsDeps) {
    this.#deps = deps;
  }

  /** One dead letter, or now and then any task; asked for twice sometimes. */
  redrive(): void {
    this.#whenSomeDied(() => {
      const { model, network, random } = this.#deps;
      const all = [...model.tasks.values()];
      const dead = all.filter(({ seq, status }) => status === "FAILED" || model.redriven.has(seq));
      const [first, ...others] = random.chance(0.9) ? dead : all;
      if (!first) return;
      const { seq } = random.pick([first, ...others]);
      const edit = { timeoutMs: markOf(0) };
      for (let times = random.chance(0.3) ? 2 : 1; times > 0; times--)
        network
          .call(this.#life, "redriveDead", { v: 1, seq, edit })
          .then((answer) => this.#redriven(seq, answer))
          .catch(() => {});
    });
  }

  /** Few tasks fail for good: whoever cares for those waits for some. */
  #whenSomeDied(act: () => void, looks = 30): void {
    const { model, timeline } = this.#deps;
    if ([...model.tasks.values()].some(({ status }) => status === "FAILED")) act();
    else if (looks > 0)
      timeline.after(LOOK_EVERY_MS, this.#life, "a look at dead letters", () => this.#whenSomeDied(act, looks - 1));
  }

  #redriven(seq: Seq, answer: TaskAnswer): void {
    const { address, model, tally } = this.#deps;
    if (!answer.ok) {
      const isExpected = REFUSALS.has(answer.code) || answer.detail.includes(SIMULATED);
      must(isExpected, () => `a redrive was answered ${answer.code}: ${answer.detail}`);
      tally.count(`redrive: ${answer.code}`);
      return;
    }
    const became = model.redriven.get(seq);
    if (answer.task?.status !== "FAILED" || became === undefined) return;
    tally.count("redriven");
    const told = answer.task.links?.replayedBy;
    must(told?.includes(taskId(address, became)) === true, () => `${seq} became ${became}, its redrive tells ${told}`);
  }

  /** A job over all tasks, or those of a type or a status. */
  begin(): void {
    const { client, random } = this.#deps;
    const action = random.weighted({ cancel: 1, redrive: 10, discard: 1 });
    // Otherwise few queues drain just then.
    if (action === "redrive" && random.chance(0.1)) client.change({ draining: true });
    if (action === "cancel") this.#begin(action);
    else this.#whenSomeDied(() => this.#begin(action));
  }

  #begin(action: BulkWork["action"]): void {
    const { random } = this.#deps;
    const type = random.chance(0.2) ? { type: random.pick(TYPES) } : {};
    const status = random.chance(0.4) ? { status: [random.pick(UNFINISHED)] } : {};
    const number = ++this.#jobs;
    const edit = { timeoutMs: markOf(number) };
    const work: BulkWork =
      action === "cancel"
        ? { action, filter: { ...type, ...status } }
        : { action, filter: type, ...(action === "redrive" && { edit }) };
    if (action === "cancel" && random.chance(0.5)) this.#countFirst(number, work);
    else this.#count(number, work, null, null);
  }

  /** A dry run, and after a while the job with its `asOf`. */
  #countFirst(number: number, work: BulkWork): void {
    const { model, network, now, random, timeline } = this.#deps;
    // The door's clock may be ahead of the shard's.
    const asOf = now() + random.between(0, 3) * AGAIN_MS;
    network
      .call(this.#life, "countBulk", { v: 1, work, asOf, isDryRun: true })
      .then((answer) => {
        if (!answer.ok) return;
        const meant = new Set(model.tasks.keys());
        timeline.after(random.between(0, 3) * AGAIN_MS, this.#life, "a job after its dry run", () =>
          this.#count(number, work, asOf, meant),
        );
      })
      .catch(() => {});
  }

  #count(number: number, work: BulkWork, asOf: number | null, meant: ReadonlySet<Seq> | null): void {
    const { client, model, network } = this.#deps;
    const { generation } = client.settings;
    network
      .call(this.#life, "countBulk", { v: 1, work, asOf })
      .then((answer) => {
        if (!answer.ok) return;
        const job = { number, work, generation, forgets: model.forgets, upTo: answer.upTo, asOf, meant };
        this.#ask({ ...job, portion: 1, after: null, done: 0 });
      })
      .catch(() => {});
  }

  #ask(job: Job): void {
    const { model, network, random } = this.#deps;
    const { number, portion, generation, work, upTo, after, asOf, meant } = job;
    if (this.#isForgotten(job)) return;
    for (const { seq, status } of model.tasks.values())
      if (status === "FAILED" && work.action === "discard") model.discarded.add(seq);
      else if (status !== "FAILED" && work.action === "cancel" && meant?.has(seq) !== false) model.asked.add(seq);
    const place = { job: `job ${number}`, portion, generation, upTo, after, most: random.between(1, 5) };
    network
      .call(this.#life, "bulk", { v: 1, work, asOf, ...place })
      .then((answer) => (answer.ok ? this.#told(job, answer) : this.#later(job)))
      .catch(() => this.#later(job));
  }

  #later(job: Job): void {
    this.#deps.timeline.after(AGAIN_MS, this.#life, "a portion", () => this.#ask(job));
  }

  #told(job: Job, { done, stopping, failed, after, more, refusal }: BulkPortion): void {
    const { model, tally } = this.#deps;
    if (this.#isForgotten(job)) return;
    const { action } = job.work;
    tally.count(`job: ${action}`, done + stopping);
    if (refusal) tally.count(`job: ${refusal.code}`);
    must(failed === 0, () => `a portion of job ${job.number} failed, and nothing was edited that might not fit`);
    if (done + stopping > 0) job.portion++;
    job.after = after;
    job.done += done;
    if (more) {
      this.#later(job);
      return;
    }
    const redriven = model.redrives.get(markOf(job.number)) ?? 0;
    if (action === "redrive")
      must(redriven === job.done, () => `job ${job.number} redrove ${redriven}, and was told ${job.done}`);
  }

  /** The queue was deleted, and its jobs with it. */
  #isForgotten({ forgets, generation }: Job): boolean {
    const { client, model } = this.#deps;
    return model.forgets !== forgets || client.settings.generation !== generation;
  }
}
