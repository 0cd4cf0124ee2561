/**
 * Who has nodes in the queue: a stand-in for runs of workflows, as much of one as its shard sees. It places tasks, some of
 * them BLOCKED, until all are taken; releases each, or ends it; and takes the word of their ends, or is silent, or takes it
 * and the answer is lost.
 */
import { parseTaskId, type RunId, type Seq } from "../../core/ids.ts";
import type { Answer } from "../../core/schema/answer.ts";
import type { SubmitAnswer, SubmitRequest } from "../../core/schema/rpc.ts";
import type { EndNodesRequest, NodeEnd, ReleasedNode } from "../../core/schema/workflow-rpc.ts";
import { mayPass } from "../../core/submit-answer.ts";
import { checkEnded } from "./check-nodes.ts";
import type { Client } from "./client.ts";
import type { Faults } from "./faults.ts";
import { SIMULATED } from "./host.ts";
import type { Model } from "./model.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { Script } from "./script.ts";
import type { Tally } from "./tally.ts";
import { Life, type Timeline } from "./timeline.ts";

/** A portion is known under its key for as long as a run sends it. */
const KEY_TTL_MS = 30 * 86_400_000;
const AGAIN_MS = 1_000;

type Ending = Pick<EndNodesRequest["nodes"][number], "status" | "code" | "message">;

export interface RunsDeps {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly faults: Faults;
  readonly tally: Tally;
  readonly model: Model;
  readonly network: Network;
  readonly client: () => Client;
  /** The shard's clock. */
  readonly now: () => number;
}

export class Runs {
  readonly #life = new Life("runs");
  readonly #deps: RunsDeps;
  #portions = 0;

  constructor(deps: RunsDeps) {
    this.#deps = deps;
  }

  /** A portion of nodes, some of which wait for others. */
  place(): void {
    const { client, random } = this.#deps;
    const run = random.pick(RUNS);
    const n = ++this.#portions;
    const tasks = Array.from({ length: random.between(1, 3) }, (_, i) => ({
      ...client().drawNode({ run, node: `n${n}.${i}` }),
      ...(random.chance(0.7) && { blocked: true as const }),
      ...(random.chance(0.5) && { isAwaited: true as const }),
    }));
    const { version: settingsVersion, generation } = client().settings;
    const idempotency = { key: `${run} ${n}`, fingerprint: "run", ttlMs: KEY_TTL_MS };
    this.#place({ v: 1, settingsVersion, generation, atomic: false, tasks, idempotency }, AGAIN_MS);
  }

  /** A run is cancelled, or one of its nodes is to end: by what became of another, or by itself. */
  end(): void {
    const { model, random } = this.#deps;
    const [first, ...others] = [...model.tasks.values()].filter(
      ({ status, options }) => options.partOf && status !== "GONE" && status !== "FAILED",
    );
    if (!first) return;
    this.#end(random.pick([first, ...others]).seq, random.pick([CANCELLED, SKIPPED, PARENT_FAILED]));
  }

  /** The word of ends arrives; the answer comes in the life of who tells it, or never. */
  ended(run: RunId, ends: readonly NodeEnd[], sender: Life): Promise<Answer<object>> {
    const { faults, model, random, tally, timeline } = this.#deps;
    return new Promise((resolve, reject) => {
      if (faults.strikes("silent-run")) {
        if (random.chance(0.5)) return;
        timeline.after(random.between(1, 200), sender, "end not told", () => reject(new Error(SIMULATED)));
        return;
      }
      for (const end of ends) {
        tally.count(checkEnded(run, end, model) ? "end of a node" : "end of a node, again");
        const seq = parseTaskId(end.task)?.seq;
        if (seq !== undefined && !model.ends.has(seq)) model.ends.set(seq, end);
      }
      const isLost = faults.strikes("run-answer-lost");
      timeline.after(random.between(1, 20), sender, "end told", () =>
        isLost ? reject(new Error(SIMULATED)) : resolve({ v: 1, ok: true }),
      );
    });
  }

  /** The same until all of it is taken, or never will be. */
  #place(request: SubmitRequest, pause: number): void {
    this.#deps.client().send(request, (answer) => {
      if (!answer.ok || answer.refused.some(mayPass))
        this.#deps.timeline.after(pause, this.#life, "place again", () => this.#place(request, longer(pause)));
      if (answer.ok) this.#placed(request, answer);
    });
  }

  #placed({ tasks }: SubmitRequest, { seqs }: Extract<SubmitAnswer, { ok: true }>): void {
    const { model, random, timeline } = this.#deps;
    for (const [i, task] of tasks.entries()) {
      const seq = seqs[i] ?? null;
      if (!task.blocked || seq === null || model.placed.has(seq)) continue;
      model.placed.add(seq);
      timeline.after(random.between(1, 15_000), this.#life, "what a node waits for has ended", () => {
        if (random.chance(0.2)) this.#end(seq, PARENT_FAILED);
        else this.#release(this.#drawRelease(seq, task.payload));
      });
    }
  }

  #drawRelease(seq: Seq, placed: string): ReleasedNode {
    const { random, now } = this.#deps;
    const script = JSON.parse(placed) as Script;
    const isFilled = random.chance(0.5);
    this.#deps.model.releases.set(seq, isFilled);
    return {
      seq,
      payload: isFilled ? JSON.stringify({ ...script, isEdited: true, isReleased: true }) : null,
      runAt: random.chance(0.2) ? now() + random.between(-1_000, 20_000) : null,
      expiresAt: random.chance(0.1) ? now() + random.between(50, 30_000) : null,
    };
  }

  #release(node: ReleasedNode): void {
    this.#repeat("release", (network) => network.call(this.#life, "release", { v: 1, nodes: [node] }));
  }

  #end(seq: Seq, ending: Ending): void {
    const { model } = this.#deps;
    model.asked.add(seq);
    model.ending.add(seq);
    this.#repeat("end", (network) => network.call(this.#life, "endNodes", { v: 1, nodes: [{ seq, ...ending }] }));
  }

  /** Until it was answered. */
  #repeat(what: string, call: (network: Network) => Promise<Answer<object>>, pause = AGAIN_MS): void {
    const { network, timeline } = this.#deps;
    const again = () =>
      void timeline.after(pause, this.#life, `${what} again`, () => this.#repeat(what, call, longer(pause)));
    call(network).then((answer) => {
      if (!answer.ok) again();
    }, again);
  }
}

function longer(pause: number): number {
  return Math.min(2 * pause, 30_000);
}

const RUNS = [0, 1, 2].map((n) => `wf_${String(n).repeat(24)}` as RunId) as [RunId, ...RunId[]];
const PARENT_FAILED: Ending = { status: "FAILED", code: "parent-failed", message: "a node that it waits for failed" };
const SKIPPED: Ending = { status: "CANCELLED", code: "skipped", message: "a node that it waits for did not succeed" };
const CANCELLED: Ending = { status: "CANCELLED", code: "cancelled", message: "the run was cancelled" };
