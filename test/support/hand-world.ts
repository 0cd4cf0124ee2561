/**
 * One shard under a clock that only tests move: the real operations over any SQL, with the world that they ask for made
 * visible (tickets, alarms, what was sent). For tests of operations; the simulation has a world of its own.
 */
import type { QueueName, ShardAddress, TenantName } from "../../core/ids.ts";
import type { TaskType } from "../../core/make-task.ts";
import type { HistoryDatabase, Ports, TicketQueue } from "../../core/ports.ts";
import type { Answer } from "../../core/schema/answer.ts";
import type { DirectoryRpc } from "../../core/schema/directory-rpc.ts";
import { DEFAULT_SETTINGS, type QueueSettings } from "../../core/schema/queue-settings.ts";
import type { NewTask, SubmitAnswer, SubmitRequest } from "../../core/schema/rpc.ts";
import type { AdvanceAnswer, AdvanceRequest, OpenRequest, Ticket } from "../../core/schema/session-rpc.ts";
import type { NodeEnd, WorkflowRpc } from "../../core/schema/workflow-rpc.ts";
import type { WebhookMessage } from "../../core/webhook-message.ts";
import { onAlarm } from "../../durable-objects/queue-shard/alarm.ts";
import { advance } from "../../durable-objects/queue-shard/running/advance.ts";
import { open } from "../../durable-objects/queue-shard/running/open.ts";
import { Shard } from "../../durable-objects/queue-shard/shard.ts";
import { submit } from "../../durable-objects/queue-shard/submit/submit.ts";
import type { Sql } from "../../durable-objects/sql/sql.ts";

/** 2026-01-01, so that ids look as they do in life. */
export const START = Date.UTC(2026, 0, 1);

export interface ShardWorld {
  shard: Shard;
  now: number;
  readonly tickets: { readonly queue: TicketQueue; readonly ticket: Ticket }[];
  readonly alarms: number[];
  readonly deadLetters: string[];
  /** What was sent to receivers of webhooks, and how they answer: a status, or no answer (it rejects, or hangs). */
  readonly posts: WebhookMessage[];
  receive: (message: WebhookMessage) => Promise<number>;
  /** What was told to the Directory. */
  readonly told: object[];
  /** What runs were told of their nodes' ends; and how they answer. */
  readonly ends: (NodeEnd & { readonly run: string })[];
  takeEnds: (run: string, ends: readonly NodeEnd[]) => Promise<Answer<object>>;
  boot: string | null;
  /** Handlers that the deployment has. */
  readonly types: Map<string, TaskType>;
  history: HistoryDatabase | null;
  /** Work that the shard left to the background. */
  readonly background: Promise<unknown>[];
  /** Moves the clock; timers and the alarm that come due meanwhile are run, in order. */
  passTo(ms: number): void;
  /** The object loses its memory (eviction, or a crash between events). */
  evict(): void;
  submit(tasks: readonly Partial<NewTask>[], request?: Partial<SubmitRequest>): SubmitAnswer;
  open(request?: Partial<OpenRequest>): ReturnType<typeof open>;
  /** The answer, or null while the question is parked (it then arrives in `late`). */
  advance(request: Partial<AdvanceRequest> & Pick<AdvanceRequest, "session" | "turn">): AdvanceAnswer | null;
  readonly late: AdvanceAnswer[];
}

const NO_DIRECTORY = new Proxy({} as DirectoryRpc, {
  get(_target, method) {
    throw new Error(`a shard does not ask the Directory for ${String(method)}`);
  },
});

/** Throws where it is asked. */
export const NO_RUN = new Proxy({} as WorkflowRpc, {
  get(_target, method) {
    throw new Error(`a shard does not ask a run for ${String(method)}`);
  },
});

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** @param openSql the same tables each time: an object that lost its memory */
export function worldOver(openSql: () => Sql, settings: Partial<QueueSettings> = {}): ShardWorld {
  const address: ShardAddress = { tenant: "default" as TenantName, queue: "q" as QueueName, shard: 0 };
  const timers = new Set<Timer>();
  let names = 0;
  const full: QueueSettings = { ...DEFAULT_SETTINGS, ...settings };

  const ports: Ports = {
    now: () => world.now,
    random: () => 0.5,
    log: () => {},
    uuid: () => `uuid-${++names}`,
    later(ms, run) {
      const timer: Timer = { at: world.now + ms, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    shard: () => {
      throw new Error("a shard calls no shard");
    },
    directory: () => {
      const tell = async (request: object) => {
        world.told.push(request);
        return { v: 1, ok: true } as const;
      };
      return { ...NO_DIRECTORY, report: tell, webhookGone: tell };
    },
    sendWebhook(message) {
      world.posts.push(message);
      return world.receive(message);
    },
    liveFeed: () => {
      throw new Error("a shard calls no live feed");
    },
    workflow: (_tenant, run) => ({ ...NO_RUN, ended: ({ ends }) => world.takeEnds(run, ends) }),
    async sendTickets(queue, tickets) {
      for (const ticket of tickets) world.tickets.push({ queue, ticket });
    },
    ticketBacklog: async () => 0,
    async sendDeadLetters(ids) {
      world.deadLetters.push(...ids);
    },
    taskType: (type) => world.types.get(type) ?? null,
    history: () => world.history,
    get boot() {
      return world.boot;
    },
  };
  const host = {
    setAlarm: (at: number) => void world.alarms.push(at),
    keepAlive: (work: Promise<unknown>) => void world.background.push(work),
  };
  const make = () => new Shard(address, openSql(), ports, host);

  const world: ShardWorld = {
    shard: null as never,
    now: START,
    tickets: [],
    alarms: [],
    deadLetters: [],
    posts: [],
    ends: [],
    async takeEnds(run, ends) {
      for (const end of ends) world.ends.push({ ...end, run });
      return { v: 1, ok: true };
    },
    receive: async () => 200,
    told: [],
    boot: null,
    types: new Map(),
    history: null,
    background: [],
    late: [],
    passTo(ms) {
      for (;;) {
        const timer = [...timers].sort((a, b) => a.at - b.at)[0];
        const alarmAt = world.shard.alarmAt ?? Number.POSITIVE_INFINITY;
        const at = Math.min(timer?.at ?? Number.POSITIVE_INFINITY, alarmAt);
        if (at > ms) break;
        world.now = Math.max(world.now, at);
        if (timer && timer.at <= alarmAt) {
          timers.delete(timer);
          timer.run();
        } else onAlarm(world.shard);
      }
      world.now = ms;
    },
    evict() {
      timers.clear();
      const { alarmAt } = world.shard;
      world.shard = make();
      world.shard.alarmAt = alarmAt;
    },
    submit(tasks, request = {}) {
      let answer: SubmitAnswer | null = null;
      submit(
        world.shard,
        {
          v: 1,
          settingsVersion: full.version,
          settings: full,
          atomic: true,
          tasks: tasks.map((task) => ({ ...PLAIN, ...task })),
          ...request,
        },
        (given) => {
          answer = given;
        },
      );
      if (!answer) world.passTo(world.now);
      if (!answer) throw new Error("a submission was not answered by the end of its turn");
      return answer;
    },
    open: (request = {}) =>
      open(world.shard, {
        v: 1,
        ticket: null,
        solo: false,
        want: 64,
        worker: { name: "w", kind: "consumer", types: { echo: 1, sleep: 1 }, boot: world.boot },
        ...request,
      }),
    advance(request) {
      let answer: AdvanceAnswer | null = null;
      let isLate = false;
      advance(
        world.shard,
        {
          v: 1,
          answered: request.turn - 1,
          holding: [],
          started: [],
          outcomes: [],
          progress: [],
          want: 0,
          waitMs: 0,
          ...request,
        },
        (given) => {
          if (isLate) world.late.push(given);
          answer = given;
        },
      );
      isLate = true;
      return answer;
    },
  };
  world.shard = make();
  return world;
}

const PLAIN: NewTask = { type: "echo", version: 1, priority: 5, payload: "{}", runAt: null, options: null };
