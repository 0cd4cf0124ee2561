/**
 * Gives nodes their tasks: a portion a shard, under an idempotency key of the portion's, so that a lost answer makes none
 * twice and no node costs a row for that. What waits for others is placed BLOCKED.
 * Must stay true: a node is placed when its parents have been, or have ended; so whatever stands in a queue's depth can
 * come to its end, and full queues cannot block one another.
 */
import { cutByBytes, MAX_ANSWER_BYTES } from "../../core/bytes.ts";
import { ERRORS } from "../../core/errors.ts";
import { taskId } from "../../core/ids.ts";
import { packTasks } from "../../core/pack-tasks.ts";
import type { Refusal } from "../../core/schema/answer.ts";
import type { QueueEntry } from "../../core/schema/directory-rpc.ts";
import type { NewTask, RefusedTask, SubmitAnswer } from "../../core/schema/rpc.ts";
import type { NodeTask, PartOf } from "../../core/schema/workflow-rpc.ts";
import { isEnded } from "../../core/workflow/decide.ts";
import { ancestorsOf } from "../../core/workflow/graph.ts";
import { callWithin, FAN_OUT } from "../stubs.ts";
import { CANCELLED, endNode } from "./end-node.ts";
import { type RunNode, saveNode, specOf } from "./node-rows.ts";
import { attempt, callerName, isFree } from "./reach.ts";
import { type Run, type RunMemory, refuse } from "./run.ts";

const MOST_IN_PORTION = 200;
export const ANSWER_WITHIN_MS = 5_000;
/** A portion is sent again until it is answered; a queue may be full, or away, for long. */
const KEY_TTL_MS = 30 * 86_400_000;

const OPEN = "SELECT n, members, generation FROM portion ORDER BY n";
const KEEP = "INSERT INTO portion (n, members) VALUES (?, ?)";
const SENT_TO = "UPDATE portion SET generation = ? WHERE n = ?";
const FORGET = "DELETE FROM portion WHERE n = ?";

/** A node, whether it was sent as one that may run, and whether tasks that are placed waited for it. */
type Member = readonly [i: number, isReady: boolean, isAwaited: boolean];
interface Portion {
  readonly n: number;
  /** The same, in the same order, however often it is sent. */
  readonly members: readonly Member[];
  /** Of the queue that it was sent to first; null: it was not sent. */
  readonly generation: number | null;
}

/** @returns whether anything changed */
export async function place(run: Run, memory: RunMemory, now: number): Promise<boolean> {
  writeDown(run, memory, now);
  const free = openPortions(run).filter(({ members: [first] }) => {
    const node = memory.nodes[first?.[0] ?? -1];
    return node && isFree(run, callerName(node), now);
  });
  const sent = await Promise.all(free.slice(0, FAN_OUT).map((portion) => send(run, memory, portion)));
  return sent.some(Boolean);
}

function openPortions({ sql }: Run): Portion[] {
  const rows = sql.all<Omit<Portion, "members"> & { readonly members: string }>(OPEN);
  return rows.map((row) => ({ ...row, members: JSON.parse(row.members) as Member[] }));
}

/** New portions, written down before they are sent. */
function writeDown(run: Run, memory: RunMemory, now: number): void {
  const isPlaceable = placeable(memory);
  const wanted = memory.nodes.filter(
    (node) =>
      node.at &&
      node.placed === "no" &&
      node.portion === null &&
      !node.toEnd &&
      !isEnded(node.state) &&
      isPlaceable(node),
  );
  const free = wanted.filter((node) => isFree(run, callerName(node), now));
  if (free.length === 0) return;
  const awaited = awaitedBy(memory);
  run.transact(() => {
    for (const members of Map.groupBy(free, callerName).values()) {
      const [nodes = []] = cutByBytes(members.slice(0, MOST_IN_PORTION), ({ chars }) => chars, MAX_ANSWER_BYTES);
      const n = ++memory.head.portions;
      for (const node of nodes) {
        node.portion = n;
        saveNode(run.sql, node);
      }
      const list = nodes.map((node): Member => [node.i, node.state === "ready" && !node.refers, awaited.has(node.i)]);
      run.sql.run(KEEP, n, JSON.stringify(list));
    }
    run.saveHead();
  });
}

/**
 * All that tasks wait for which are placed. Most of it is placed before them; what a map or a handler brought later, or is
 * tried again, is not: it must be taken, or what stands in the queue's depth would wait for ever.
 */
function awaitedBy({ nodes }: RunMemory): ReadonlySet<number> {
  const parents = nodes.map((node) => node.parents);
  const isPlaced = ({ placed, portion, state }: RunNode) =>
    !isEnded(state) && (placed === "blocked" || portion !== null);
  const placed = nodes.filter(isPlaced);
  return new Set(placed.flatMap(({ i }) => [...ancestorsOf(parents, i)]));
}

/** Whether a node's parents are all placed or ended; of those without a task, whether theirs are. */
function placeable({ nodes }: RunMemory): (node: RunNode) => boolean {
  const known = new Map<number, boolean>();
  const isThere = (i: number): boolean => {
    const node = nodes[i];
    if (!node || isEnded(node.state)) return true;
    if (node.at) return node.placed !== "no";
    // What a map is made of is not known before it is, and a signal is somebody's to give: nothing takes room for it.
    if (node.kind === "map" || node.kind === "signal") return false;
    const answer = known.get(i) ?? node.parents.every(isThere);
    known.set(i, answer);
    return answer;
  };
  return ({ parents }) => parents.every(isThere);
}

/** @returns whether there is something new to do */
async function send(run: Run, memory: RunMemory, portion: Portion): Promise<boolean> {
  const first = memory.nodes[portion.members[0]?.[0] ?? -1];
  if (!first?.at) return false;
  const { at } = first;
  let isNews = false;
  await attempt(run, callerName(first), async () => {
    const entry = await queueOf(run, at);
    if ("settings" in entry && sendsAnew(run, memory, portion, entry.settings.generation)) {
      isNews = true;
      return;
    }
    const tasks = portion.members.map((member) => newTask(run, memory, portion.n, member));
    const answer = await submit(run, at, entry, tasks, `run ${run.id} ${portion.n}`);
    if (!answer.ok && !isFinal(answer.code) && !isNoRoom(answer.code))
      throw new Error(`${answer.code}: ${answer.detail}`);
    await endStrays(run, memory, portion, at, answer);
    const again = run.change(memory, () => takeAnswer(run, memory, portion, answer));
    isNews = true;
    if (again !== null) throw new Error(again);
  });
  return isNews;
}

/**
 * Notes which making of the queue a portion goes to. Where it went to one that is deleted, what was taken there is gone,
 * and what was not goes under another portion: the key of this one is not known any more.
 * @returns whether it did
 */
function sendsAnew(run: Run, memory: RunMemory, { n, members, generation }: Portion, now: number): boolean {
  if (generation === now) return false;
  run.change(memory, () => {
    if (generation === null) {
      run.sql.run(SENT_TO, now, n);
      return;
    }
    for (const [i] of members) {
      const node = memory.nodes[i];
      if (node?.portion !== n) continue;
      node.portion = null;
      node.toEnd = false;
      saveNode(run.sql, node);
    }
    run.sql.run(FORGET, n);
  });
  return generation !== null;
}

/** Inside a transaction. @returns why the portion is to be sent again */
function takeAnswer(run: Run, memory: RunMemory, { n, members }: Portion, answer: SubmitAnswer): string | null {
  let again: string | null = null;
  for (const [index, [i, isReady]] of members.entries()) {
    const node = memory.nodes[i];
    // Known from an answer before, or its end has told which task it is.
    if (node?.portion !== n) continue;
    const seq = answer.ok ? (answer.seqs[index] ?? null) : null;
    if (seq === null && !isWanted(memory, node, n)) {
      // Refused, so it was not taken, and now it is not to be.
      node.portion = null;
      node.toEnd = false;
      if (!isEnded(node.state)) endCancelled(run, memory, node);
    } else if (seq !== null) {
      node.portion = null;
      node.seq = seq;
      node.placed = isReady ? "released" : "blocked";
      if (memory.head.isCancelled && !node.isCompensation) node.toEnd = true;
    } else {
      const refused = refusalOf(answer, index);
      if (!isFinal(refused.code)) {
        again = `${refused.code}: ${refused.detail}`;
        continue;
      }
      node.portion = null;
      node.toEnd = false;
      if (!isEnded(node.state)) endRefused(run, memory, node, refused);
    }
    saveNode(run.sql, node);
  }
  if (again === null) run.sql.run(FORGET, n);
  return again;
}

/** Whether a member of a portion is still to have its task by it. */
function isWanted({ head }: RunMemory, node: RunNode, n: number): boolean {
  if (node.portion !== n || isEnded(node.state) || node.toEnd) return false;
  return !head.isCancelled || node.isCompensation;
}

/** Its queue has no room for it now: nothing was taken. */
function isNoRoom(code: string): boolean {
  return code === "queue-full" || code === "draining";
}

/**
 * Tasks that a portion made of nodes which have another by now (a dead letter was redriven meanwhile) are ended, before
 * the portion is forgotten. @throws where the shard does not answer
 */
async function endStrays(
  run: Run,
  { nodes }: RunMemory,
  { n, members }: Portion,
  at: NonNullable<RunNode["at"]>,
  answer: SubmitAnswer,
): Promise<void> {
  if (!answer.ok) return;
  const strays = members.flatMap(([i], index) => {
    const node = nodes[i];
    const seq = answer.seqs[index] ?? null;
    if (!node || seq === null || node.portion === n || node.seq === seq) return [];
    return node.retried.includes(taskId(at, seq)) ? [] : [seq];
  });
  if (strays.length === 0) return;
  const message = "the run has another task for the node";
  const told = strays.map((seq) => ({ seq, status: "CANCELLED" as const, code: "cancelled" as const, message }));
  const address = { tenant: run.tenant, ...at };
  const ended = await callWithin(run.ports, ANSWER_WITHIN_MS, () =>
    run.ports.shard(address).endNodes({ v: 1, nodes: told }),
  );
  if (!ended.ok) throw new Error(`${ended.code}: ${ended.detail}`);
}

function endCancelled(run: Run, memory: RunMemory, node: RunNode): void {
  endNode(run, memory, node, { status: "CANCELLED", code: "cancelled", message: CANCELLED, at: run.ports.now() });
}

function endRefused(run: Run, memory: RunMemory, node: RunNode, { code, detail }: Refused): void {
  const message = `it could not be submitted (${code}): ${detail}`;
  endNode(run, memory, node, { status: "FAILED", code: "task-lost", message, at: run.ports.now() });
}

type Refused = Pick<RefusedTask, "detail"> & { readonly code: string };

function refusalOf(answer: SubmitAnswer, index: number): Refused {
  if (!answer.ok) return answer;
  return answer.refused.find((one) => one.index === index) ?? { code: "internal", detail: "the shard gave no reason" };
}

/** Whether the same task would be refused for ever. */
export function isFinal(code: string): boolean {
  return Object.hasOwn(ERRORS, code) && !ERRORS[code as keyof typeof ERRORS].retryable;
}

function newTask(run: Run, memory: RunMemory, n: number, [i, isReady, isAwaited]: Member): NewTask {
  const node = memory.nodes[i];
  const spec = node && specOf(run.sql, node);
  if (!node || spec?.kind !== "task") throw new Error(`node ${i} has no task`);
  const plain = plainTask(run, spec.task, { run: run.id, node: node.key });
  const task = isAwaited ? { ...plain, isAwaited } : plain;
  // It keeps its place in the list, and is refused by the shard: its time is over.
  if (!isWanted(memory, node, n)) return { ...task, runAt: null, expiresAt: 1 };
  if (isReady) return task;
  // Its time to begin counts from its release.
  const { expiresAt: _, ...blocked } = task;
  return { ...blocked, runAt: null, blocked: true };
}

/** A node's task as it is submitted; times count from now. */
export function plainTask(run: Run, task: NodeTask, partOf: PartOf | null): NewTask {
  const { type, version, priority, payload, options, limitKey, fairnessKey } = task;
  const told = options === null ? {} : (JSON.parse(options) as object);
  return {
    type,
    version,
    priority,
    payload,
    ...timesOf(task, run.ports.now()),
    options: partOf ? JSON.stringify({ ...told, partOf }) : options,
    ...(limitKey !== undefined && { limitKey }),
    ...(fairnessKey !== undefined && { fairnessKey }),
  };
}

/** From when and until when it may begin (Unix ms), released at `now`. */
export function timesOf({ delayMs, runAt, ttlMs }: NodeTask, now: number): Pick<NewTask, "runAt" | "expiresAt"> {
  const later = Math.max(delayMs === null ? 0 : now + delayMs, runAt ?? 0);
  const at = later > now ? later : null;
  return { runAt: at, ...(ttlMs !== null && { expiresAt: (at ?? now) + ttlMs }) };
}

/** The queue of a node, or why none can be there. */
export async function queueOf(run: Run, { queue, shard }: NonNullable<RunNode["at"]>): Promise<QueueEntry | Refusal> {
  const entry = await run.known.queue(queue, true, run.ports.now() + ANSWER_WITHIN_MS);
  if (!entry) return refuse("queue-unknown", `there is no queue ${queue}`);
  const { settings, shardsEver } = entry;
  return shard < Math.max(shardsEver, settings.shards, settings.keyShards)
    ? entry
    : refuse("queue-unknown", `${queue} was made again, with fewer shards`);
}

/** To one shard, with settings where it asks for them. @param key makes the same again the same */
export async function submit(
  run: Run,
  at: NonNullable<RunNode["at"]>,
  entry: QueueEntry | Refusal,
  tasks: readonly NewTask[],
  key: string,
): Promise<SubmitAnswer> {
  if (!("settings" in entry)) return entry;
  const { ports, tenant } = run;
  const { settings } = entry;
  const idempotency = { key, fingerprint: "run", ttlMs: KEY_TTL_MS };
  const request = {
    v: 1,
    settingsVersion: settings.version,
    generation: settings.generation,
    atomic: false,
    tasks: packTasks(tasks),
    idempotency,
  } as const;
  const address = { tenant, ...at };
  const send = (withSettings: boolean) =>
    callWithin<SubmitAnswer>(ports, ANSWER_WITHIN_MS, () =>
      ports.shard(address).submit(withSettings ? { ...request, settings } : request),
    );
  const answer = await send(false);
  if (answer.ok) return answer;
  // What is remembered of the queue is of one that was deleted.
  if (answer.code === "settings-stale") run.known.forgetQueue(at.queue);
  return answer.code === "settings-needed" ? await send(true) : answer;
}
