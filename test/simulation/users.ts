/** Who does what to the queue, and how often: clients, operators, whoever deploys settings. */
import { Control, type ControlDeps } from "./control.ts";
import { drawPatch } from "./draw-settings.ts";
import { type ErasureDeps, Erasures } from "./erasures.ts";
import { Jobs, type JobsDeps } from "./jobs.ts";
import type { Random } from "./random.ts";
import { type ReplayDeps, Replays } from "./replays.ts";
import type { Runs } from "./runs.ts";

/** By how often. */
const ACTS = {
  submit: 12,
  settings: 2,
  read: 1,
  repeat: 1,
  cancel: 2,
  change: 3,
  purge: 0.1,
  discard: 0.1,
  purgeCache: 0.3,
  erase: 0.8,
  replay: 1,
  redrive: 1.5,
  job: 1,
  remake: 0.2,
  redeliver: 0.3,
  nodes: 0.5,
  endNode: 0.1,
};

export interface UsersDeps
  extends Omit<ControlDeps, "random">,
    Omit<ReplayDeps, "random">,
    Omit<ErasureDeps, "random">,
    Omit<JobsDeps, "random"> {
  readonly runs: Runs;
  /** A stream of chance of that name; "steps": the world's own. */
  readonly streamOf: (name: string) => Random;
}

export class Users {
  readonly #deps: UsersDeps;
  readonly #random: Random;
  readonly #acts: Readonly<Record<keyof typeof ACTS, () => void>>;

  constructor(deps: UsersDeps) {
    const { client, streamOf } = deps;
    const control = new Control({ ...deps, random: streamOf("control") });
    const erasures = new Erasures({ ...deps, random: streamOf("erasures") });
    const replays = new Replays({ ...deps, random: streamOf("replays") });
    const jobs = new Jobs({ ...deps, random: streamOf("jobs") });
    this.#deps = deps;
    this.#random = streamOf("steps");
    this.#acts = {
      submit: () => client.submit(),
      settings: () => this.#change(),
      read: () => client.read(),
      repeat: () => client.repeat(),
      cancel: () => control.cancel(),
      change: () => control.change(),
      purge: () => control.purge(),
      discard: () => control.discard(),
      erase: () => erasures.erase(),
      purgeCache: () => control.purgeCache(),
      replay: () => replays.replay(),
      redrive: () => jobs.redrive(),
      job: () => jobs.begin(),
      redeliver: () => control.redeliver(),
      nodes: () => deps.runs.place(),
      endNode: () => deps.runs.end(),
      remake: () => client.change({ generation: client.settings.generation + 1 }),
    };
  }

  /** One of them does something. @param note is told what */
  act(note: (what: string) => void): void {
    const act = this.#random.weighted(ACTS);
    note(act);
    this.#acts[act]();
  }

  #change(): void {
    const { client, tally } = this.#deps;
    const patch = drawPatch(this.#random);
    tally.count(`setting ${Object.keys(patch)[0]}`);
    client.change(patch);
  }
}
