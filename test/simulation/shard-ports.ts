/** The world as a shard's object sees it in one of its lives. What it says leaves through the output gate. */
import { parseTaskId, type Seq } from "../../core/ids.ts";
import type { Ports } from "../../core/ports.ts";
import { NO_RUN } from "../support/hand-world.ts";
import type { Broker } from "./broker.ts";
import { type SimulatedHistory, UNWELCOME } from "./history-database.ts";
import { type Host, SIMULATED } from "./host.ts";
import type { Random } from "./random.ts";
import type { Receivers } from "./receivers.ts";
import type { Runs } from "./runs.ts";
import type { Tally } from "./tally.ts";
import type { Life, Timeline } from "./timeline.ts";
import { must } from "./violation.ts";

export interface ShardPortsDeps {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly tally: Tally;
  readonly broker: Broker;
  readonly history: SimulatedHistory;
  readonly receivers: Receivers;
  readonly runs: Runs;
  readonly host: () => Host;
  /** The object's clock, Unix ms. */
  readonly now: () => number;
  readonly boot: () => string | null;
  readonly onDeadLetter: (seq: Seq) => void;
}

export function shardPorts(deps: ShardPortsDeps): (life: Life) => Ports {
  const { timeline, random, tally, broker, history, receivers, runs, host, now, boot } = deps;
  let tickets = 0;
  const notHere = () => {
    throw new Error("a shard does not ask for that");
  };
  const release = (message: () => void) => host().gate.release(message);
  const held = (send: () => Promise<void>): Promise<void> =>
    new Promise((resolve, reject) => release(() => send().then(resolve, reject)));
  return (life) => ({
    now,
    random: () => random.next(),
    uuid: () => `ticket-${++tickets}`,
    later: (ms, run) =>
      timeline.after(ms, life, "timer of the object", () => {
        host().wasTouched = true;
        run();
      }),
    log: (_level, event, fields) => checkLog(event, fields, tally),
    shard: notHere,
    directory: notHere,
    liveFeed: notHere,
    workflow: (_tenant, run) => ({
      ...NO_RUN,
      ended: ({ ends }) =>
        new Promise((resolve, reject) => release(() => runs.ended(run, ends, life).then(resolve, reject))),
    }),
    sendTickets: (queue, list) => held(() => broker.send(queue, list, life)),
    ticketBacklog: notHere,
    sendDeadLetters: (ids) =>
      held(() =>
        broker.tell(life, () => {
          for (const id of ids) deps.onDeadLetter(parseTaskId(id)?.seq ?? (0 as Seq));
        }),
      ),
    taskType: () => null,
    sendWebhook: (message) =>
      new Promise((resolve, reject) => release(() => receivers.post(message, life).then(resolve, reject))),
    history: () => history.seenBy(life, release),
    get boot() {
      return boot();
    },
  });
}

/** What the shard catches and logs must be of the simulation's making. */
function checkLog(event: string, fields: Readonly<Record<string, unknown>>, tally: Tally): void {
  tally.count(`log ${event}`);
  const text = JSON.stringify(fields);
  const isKnown = [SIMULATED, UNWELCOME, "did not answer"].some((known) => text.includes(known));
  const isOurs = isKnown || event === "dead-letters-trimmed";
  must(isOurs, () => `${event}: ${text}`);
}
