/**
 * Takes turns at the shipped object as sessions do, without the RPC and the handlers between: open, claim, settle,
 * close, each a request of its own. The object's clock stands still while it works, so whoever asks holds the watch.
 */

import type { Answer } from "../../core/schema/answer.ts";
import type { ShardRpc } from "../../core/schema/rpc.ts";
import type { ClaimedTask } from "../../core/schema/session-rpc.ts";
import type { TurnsRequest } from "./requests.ts";

interface Stay {
  readonly session: number;
  turn: number;
  readonly held: ClaimedTask[];
}

export class Turns {
  readonly #shard: Pick<ShardRpc, "open" | "advance" | "close">;
  #stays: Stay[] = [];

  constructor(shard: Pick<ShardRpc, "open" | "advance" | "close">) {
    this.#shard = shard;
  }

  /** @returns how many tasks were claimed or settled */
  async take({ phase, type, sessions, turns, size }: TurnsRequest): Promise<Answer<{ readonly tasks: number }>> {
    switch (phase) {
      case "open":
        for (let i = 0; i < sessions; i++) await this.#open(type);
        return done(0);
      case "claim":
        return await this.#eachTurn(turns, (stay) => this.#claim(stay, size));
      case "settle":
        return await this.#eachTurn(turns, (stay) => this.#settle(stay, size));
      case "close":
        for (const { session, turn } of this.#stays)
          await this.#shard.close({ v: 1, session, turn: turn + 1, outcomes: [] });
        this.#stays = [];
        return done(0);
    }
  }

  async #open(type: string): Promise<void> {
    const worker = { name: "bench", kind: "pull", types: { [type]: 1 }, boot: null } as const;
    const opened = await this.#shard.open({ v: 1, ticket: null, solo: false, worker, want: 0 });
    if (!opened.ok || opened.session === null) throw new Error(`no session was opened: ${JSON.stringify(opened)}`);
    this.#stays.push({ session: opened.session, turn: 0, held: [] });
  }

  async #eachTurn(turns: number, take: (stay: Stay) => Promise<number>): Promise<Answer<{ readonly tasks: number }>> {
    let tasks = 0;
    for (let i = 0; i < turns; i++) for (const stay of this.#stays) tasks += await take(stay);
    return done(tasks);
  }

  async #claim(stay: Stay, want: number): Promise<number> {
    const tasks = await this.#advance(stay, want, []);
    stay.held.push(...tasks);
    return tasks.length;
  }

  async #settle(stay: Stay, size: number): Promise<number> {
    const ended = stay.held.splice(0, size);
    await this.#advance(stay, 0, ended);
    return ended.length;
  }

  async #advance(stay: Stay, want: number, ended: readonly ClaimedTask[]): Promise<readonly ClaimedTask[]> {
    const turn = ++stay.turn;
    const holding = stay.held.map(({ seq }) => seq);
    const outcomes = ended.map(
      ({ seq, attempt }) => ({ kind: "succeeded", seq, attempt, startedAt: 0, endedAt: 0, result: "null" }) as const,
    );
    const turned = await this.#shard.advance({
      ...{ v: 1, session: stay.session, turn, answered: turn - 1, holding, outcomes, want },
      ...{ started: [], progress: [], waitMs: 0 },
    });
    if (!turned.ok) throw new Error(`a turn was refused: ${JSON.stringify(turned)}`);
    return turned.handout.tasks;
  }
}

function done(tasks: number): Answer<{ readonly tasks: number }> {
  return { v: 1, ok: true, tasks };
}
