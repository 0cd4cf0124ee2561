/** Who cancels tasks and changes them while they wait: mostly those that have not ended. */
import { parseTaskId, type Seq } from "../../core/ids.ts";
import type { TaskAnswer, TaskChanges } from "../../core/schema/rpc.ts";
import { isFinished, WAITING } from "../../core/status.ts";
import { placeOfDelivery } from "../../core/webhook-message.ts";
import { isDeleted } from "../../history/tombstone.ts";
import { TYPES } from "./handlers.ts";
import { SIMULATED } from "./host.ts";
import type { KnownTask, Model } from "./model.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { Receivers } from "./receivers.ts";
import type { Tally } from "./tally.ts";
import { Life } from "./timeline.ts";
import { must } from "./violation.ts";

export interface ControlDeps {
  readonly random: Random;
  readonly tally: Tally;
  readonly network: Network;
  readonly model: Model;
  readonly receivers: Receivers;
  /** The shard's clock. */
  readonly now: () => number;
}

const REFUSALS: ReadonlySet<string> = new Set(["rev-mismatch", "task-running", "task-blocked", "invalid-request"]);

export class Control {
  readonly #life = new Life("control");
  readonly #deps: ControlDeps;
  /** The newest revision that an answer told of. */
  readonly #revisions = new Map<Seq, number>();

  constructor(deps: ControlDeps) {
    this.#deps = deps;
  }

  cancel(): void {
    const { model, network, tally } = this.#deps;
    const seq = this.#pick()?.seq;
    if (seq === undefined) return;
    model.asked.add(seq);
    network
      .call(this.#life, "cancel", { v: 1, seq })
      .then((answer) => {
        if (!answer.ok || answer.task === null) return;
        const { status } = answer.task;
        tally.count(`cancel: ${status}`);
        if (status === "RUNNING") model.stopping.add(seq);
        else must(!isLive(model, seq), () => `task ${seq} is ${status}, the cancellation was told, but it lives`);
      })
      .catch(() => {});
  }

  /** What a receiver has had comes again, under the same id. */
  redeliver(): void {
    const { network, random, receivers, tally } = this.#deps;
    const [first, ...others] = receivers.letters.keys();
    if (first === undefined) return;
    const n = parseTaskId(placeOfDelivery(random.pick([first, ...others])))?.seq;
    if (n === undefined) return;
    network
      .call(this.#life, "redeliver", { v: 1, n })
      .then((answer) => {
        if (answer.ok) tally.count(`redeliver: ${answer.delivery.status}`);
        else must(answer.code === "delivery-unknown" || answer.detail.includes(SIMULATED), () => answer.detail);
      })
      .catch(() => {});
  }

  /** One of the dead letters that there are. */
  discard(): void {
    const { model, network, random, tally } = this.#deps;
    const [first, ...others] = [...model.tasks.values()].filter(({ status }) => status === "FAILED");
    if (!first) return;
    const { seq } = random.pick([first, ...others]);
    model.discarded.add(seq);
    network
      .call(this.#life, "discardDead", { v: 1, filter: { seq }, asOf: Number.MAX_SAFE_INTEGER, dryRun: false })
      .then((answer) => {
        if (answer.ok && answer.count > 0) tally.count("discarded");
      })
      .catch(() => {});
  }

  /** All that wait by now, or those of one status. */
  purge(): void {
    const { model, random, network, tally } = this.#deps;
    const live = [...model.tasks.keys()].filter((seq) => isLive(model, seq));
    for (const seq of live) model.asked.add(seq);
    const upTo = Math.max(0, ...model.tasks.keys());
    const statuses = random.chance(0.5) ? WAITING : [random.pick(WAITING)];
    network
      .call(this.#life, "purge", { v: 1, statuses, after: 0, upTo })
      .then((answer) => {
        if (answer.ok && answer.purged > 0) tally.count("purged");
      })
      .catch(() => {});
  }

  /** What is kept of a type's results. */
  purgeCache(): void {
    const { model, network, random, tally } = this.#deps;
    const type = random.pick(TYPES);
    const before = Math.max(0, ...model.tasks.keys());
    network
      .call(this.#life, "purgeCache", { v: 1, type })
      .then((answer) => {
        if (!answer.ok) return;
        model.purges.push({ type, before, after: Math.max(before, ...model.tasks.keys()) + 1 });
        if (answer.purged > 0) tally.count("results purged");
      })
      .catch(() => {});
  }

  change(): void {
    const { random, network } = this.#deps;
    // Of the few that wait for others more than their share.
    const task = (random.chance(0.3) ? this.#pick("BLOCKED") : undefined) ?? this.#pick();
    if (!task) return;
    const { seq } = task;
    const changes = random.chance(0.3) ? { runAt: null } : this.#draw(task);
    const known = this.#revisions.get(seq);
    const rev = known === undefined || random.chance(0.5) ? null : known - (random.chance(0.3) ? 1 : 0);
    network
      .call(this.#life, "change", { v: 1, seq, rev, changes })
      .then((answer) => this.#changed(seq, changes, answer, known !== undefined && rev !== null && rev < known))
      .catch(() => {});
  }

  #draw({ seq, script }: KnownTask): TaskChanges {
    const { random, now } = this.#deps;
    const isEdit = !this.#deps.model.edits.has(seq) && random.chance(0.5);
    if (isEdit) this.#deps.model.edits.add(seq);
    const text = JSON.stringify({ ...script, ms: random.between(1, 40), isEdited: true });
    return {
      ...(random.chance(0.5) && { priority: random.between(0, 3) }),
      ...(random.chance(0.5) && { runAt: now() + random.between(-1_000, 20_000) }),
      ...(isEdit && { payload: { text, version: 1 } }),
    };
  }

  #changed(seq: Seq, changes: TaskChanges, answer: TaskAnswer, isStale: boolean): void {
    const { model, tally } = this.#deps;
    if (!answer.ok) {
      tally.count(answer.code);
      const isExpected = REFUSALS.has(answer.code) || answer.detail.includes(SIMULATED);
      must(isExpected, () => `a change was answered ${answer.code}: ${answer.detail}`);
      return;
    }
    const { task } = answer;
    // What is left of a deleted task is nobody's revision.
    const isThere = task !== null && !isDeleted(task);
    must(!isStale || !isThere, () => `task ${seq} was changed by whom had an older revision of it`);
    if (task === null) return;
    this.#revisions.set(seq, Math.max(task.rev, this.#revisions.get(seq) ?? 0));
    if (isFinished(task.status)) return;
    tally.count(`changed: ${task.status}`);
    if (changes.payload) model.edited.add(seq);
  }

  #pick(status?: "BLOCKED"): KnownTask | undefined {
    const { model, random } = this.#deps;
    const all = [...model.promised].filter((seq) => status === undefined || model.tasks.get(seq)?.status === status);
    const live = all.filter((seq) => isLive(model, seq));
    const [first, ...others] = live.length > 0 && random.chance(0.9) ? live : all;
    return first === undefined ? undefined : model.tasks.get(random.pick([first, ...others]));
  }
}

function isLive(model: Model, seq: Seq): boolean {
  const status = model.tasks.get(seq)?.status;
  return status !== undefined && status !== "GONE" && status !== "FAILED";
}
