/**
 * Who is told of ends over HTTP: takes messages, refuses them, falls silent, or takes one and the answer is lost. Holds
 * what it is told against what has ended.
 */
import { parseTaskId, type Seq } from "../../core/ids.ts";
import type { WebhookMessage } from "../../core/webhook-message.ts";
import type { Faults } from "./faults.ts";
import { SIMULATED } from "./host.ts";
import type { Model } from "./model.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";
import type { Life, Timeline } from "./timeline.ts";
import { must } from "./violation.ts";

/** One message is not refused more often: else it may be days until it comes again. */
const MOST_REFUSALS = 4;

interface Told {
  readonly type: string;
  readonly data: { readonly id: string; readonly status: string };
}

/** All that came under one webhook-id. */
export interface Letter {
  readonly url: string;
  readonly body: string;
  readonly seq: Seq;
  readonly status: string;
  taken: number;
  refused: number;
}

export interface ReceiversDeps {
  readonly timeline: Timeline;
  readonly faults: Faults;
  readonly random: Random;
  readonly tally: Tally;
  readonly model: Model;
}

export class Receivers {
  /** By webhook-id. */
  readonly letters = new Map<string, Letter>();
  readonly #deps: ReceiversDeps;

  constructor(deps: ReceiversDeps) {
    this.#deps = deps;
  }

  /** A message arrives; the answer comes in the sender's life, or never. */
  post(message: WebhookMessage, sender: Life): Promise<number> {
    const { faults, random, tally, timeline } = this.#deps;
    const letter = this.#open(message);
    const mayFail = letter.refused < MOST_REFUSALS;
    const answer = (what: string, then: () => void) => void timeline.after(random.between(1, 200), sender, what, then);
    return new Promise((resolve, reject) => {
      if (mayFail && faults.strikes("receiver-hangs")) letter.refused++;
      else if (mayFail && faults.strikes("receiver-refuses")) {
        letter.refused++;
        const status = random.pick([500, 503, 429, 302, 404]);
        answer("webhook refused", () => resolve(status));
      } else {
        if (letter.taken++ > 0) tally.count("webhook taken again");
        if (mayFail && faults.strikes("receiver-answer-lost")) {
          letter.refused++;
          answer("webhook's answer lost", () => reject(new Error(`${SIMULATED}: connection reset`)));
        } else answer("webhook taken", () => resolve(204));
      }
    });
  }

  #open({ id, url, body, secrets }: WebhookMessage): Letter {
    const { model, tally } = this.#deps;
    const { data } = JSON.parse(body) as Told;
    const seq = parseTaskId(data.id)?.seq ?? (0 as Seq);
    const status = model.tasks.get(seq)?.status;
    // What was on its way when its queue was deleted still arrives.
    const hasEnded = status === "GONE" || status === "FAILED" || model.forgotten.has(seq);
    must(hasEnded, () => `${id} tells that task ${seq} ended, which is ${status}`);
    must(secrets.length > 0, () => `${id} is not signed`);
    const known = this.letters.get(id);
    if (known) {
      must(known.body === body && known.url === url, () => `${id} came with another body or to another place`);
      return known;
    }
    for (const [other, letter] of this.letters)
      must(letter.seq !== seq || letter.url !== url, () => `task ${seq} is told as ${other} and as ${id}`);
    tally.count("webhook");
    const letter = { url, body, seq, status: data.status, taken: 0, refused: 0 };
    this.letters.set(id, letter);
    return letter;
  }
}
