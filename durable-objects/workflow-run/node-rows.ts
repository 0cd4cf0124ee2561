/** A node as SQL keeps it, and as memory has it: without its payload, its result and what it spawned. */
import { utf8Bytes } from "../../core/bytes.ts";
import type { EndCode } from "../../core/errors.ts";
import type { QueueName, TaskId } from "../../core/ids.ts";
import type { NodeDefinition, NodeKind, ParentPolicy } from "../../core/schema/workflow-rpc.ts";
import { compensationKey } from "../../core/workflow/compensate.ts";
import type { NodeHead, NodeState } from "../../core/workflow/decide.ts";
import type { Sql } from "../sql/sql.ts";
import { columnsOf, NOWHERE, placeOf, type TaskColumns, type TaskPlace } from "./task-place.ts";

export interface RunNode extends NodeHead {
  readonly i: number;
  readonly key: string;
  kind: NodeKind;
  parents: readonly number[];
  readonly onParentFailure: ParentPolicy;
  state: NodeState;
  readonly compensates: string | null;
  readonly isUndo: boolean;
  readonly hasCompensation: boolean;
  /** The shard that its task is at, or will be; null: it has none. */
  readonly at: { readonly queue: QueueName; readonly shard: number } | null;
  /** It joins the tasks that it was made of. */
  isMap: boolean;
  /** Of its spec: what it takes to send it. */
  readonly bytes: number;
  /** The payload refers to others. */
  readonly refers: boolean;
  task: TaskPlace;
  /** When its task did, where what that spawned is not among the nodes yet. */
  endedAt: number | null;
  /** The how manieth of the run it was to end. */
  endedNo: number | null;
  code: EndCode | null;
  message: string | null;
  /** The signal that it waits for. */
  readonly signal: string | null;
  readonly timeoutMs: number | null;
  /** Unix ms, from when it is ready. */
  timeoutAt: number | null;
  /** Its earlier tasks. */
  retried: readonly TaskId[];
  /** The data of its task was deleted. */
  isErased: boolean;
}

/** What only its kind has. */
export type NodeSpec = DistributiveOmit<NodeDefinition, "key" | "parents" | "onParentFailure"> & {
  readonly erased?: true;
};
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

const LOAD = `SELECT i, key, kind, parents, policy, length(CAST(spec AS BLOB)) AS bytes, spec ->> '$.task.refers' AS refers,
  kind = 'task' AND spec -> '$.compensate' IS NOT NULL AS has_compensation, spec ->> '$.signal' AS signal,
  spec ->> '$.timeoutMs' AS timeout_ms, spec ->> '$.was' IS NOT NULL AS was_map, state, queue, shard, seq, placed, portion,
  to_end, ended_at, ended_no, code, message, timeout_at, compensates, retried, spec ->> '$.erased' AS erased FROM node ORDER BY i`;
const SPEC = "SELECT spec FROM node WHERE i = ?";
const RESULT = "SELECT result FROM node WHERE i = ?";
const SPAWNED = "SELECT spawned FROM node WHERE i = ?";
const FORGET_SPAWNED = "UPDATE node SET spawned = NULL WHERE i = ?";
const INSERT = `INSERT INTO node (i, key, kind, parents, policy, spec, state, queue, shard, compensates)
  VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?)`;
const SAVE = `UPDATE node SET kind = ?2, parents = ?3, state = ?4, seq = ?5, placed = ?6, portion = ?7, to_end = ?8,
  ended_at = ?9, ended_no = ?10, code = ?11, message = ?12, timeout_at = ?13, retried = ?14, spec = coalesce(?15, spec),
  result = iif(?16, ?17, result), spawned = iif(?16, ?18, spawned) WHERE i = ?1`;

interface NodeRow extends TaskColumns {
  i: number;
  key: string;
  kind: NodeKind;
  parents: string;
  policy: ParentPolicy;
  bytes: number;
  refers: number | null;
  has_compensation: number;
  signal: string | null;
  timeout_ms: number | null;
  was_map: number;
  state: NodeState;
  queue: QueueName | null;
  shard: number | null;
  ended_at: number | null;
  ended_no: number | null;
  code: EndCode | null;
  message: string | null;
  timeout_at: number | null;
  compensates: string | null;
  retried: string | null;
  erased: number | null;
}

export function loadNodes(sql: Sql): RunNode[] {
  return sql.all<NodeRow>(LOAD).map(fromRow);
}

function fromRow(row: NodeRow): RunNode {
  return {
    i: row.i,
    key: row.key,
    kind: row.kind,
    parents: JSON.parse(row.parents) as number[],
    onParentFailure: row.policy,
    state: row.state,
    isCompensation: row.compensates !== null,
    compensates: row.compensates,
    isUndo: isUndo(row.key, row.compensates),
    hasCompensation: row.has_compensation === 1,
    at: row.queue === null || row.shard === null ? null : { queue: row.queue, shard: row.shard },
    isMap: row.was_map === 1,
    bytes: row.bytes,
    refers: row.refers === 1,
    task: placeOf(row),
    endedAt: row.ended_at,
    endedNo: row.ended_no,
    code: row.code,
    message: row.message,
    signal: row.signal,
    timeoutMs: row.timeout_ms,
    timeoutAt: row.timeout_at,
    retried: row.retried === null ? [] : (JSON.parse(row.retried) as TaskId[]),
    isErased: row.erased === 1,
  };
}

/** Whether it is the one that undoes a node, and not what that one spawned. */
function isUndo(key: string, compensates: string | null): boolean {
  return compensates !== null && key === compensationKey(compensates);
}

/** Inside a transaction. @returns how it is in memory */
export function insertNode(sql: Sql, i: number, node: NodeDefinition, compensates: string | null = null): RunNode {
  const { key, parents, onParentFailure, ...spec } = node;
  const at = node.kind === "task" ? { queue: node.task.queue, shard: node.task.shard } : null;
  const [queue, shard] = at ? [at.queue, at.shard] : [null, null];
  const text = JSON.stringify(spec);
  sql.run(INSERT, i, key, node.kind, JSON.stringify(parents), onParentFailure, text, queue, shard, compensates);
  return {
    i,
    key,
    kind: node.kind,
    parents,
    onParentFailure,
    state: "waiting",
    isCompensation: compensates !== null,
    compensates,
    isUndo: isUndo(key, compensates),
    hasCompensation: node.kind === "task" && node.compensate !== undefined,
    at,
    isMap: false,
    bytes: utf8Bytes(text),
    refers: node.kind === "task" && node.task.refers,
    task: NOWHERE,
    endedAt: null,
    endedNo: null,
    code: null,
    message: null,
    signal: node.kind === "signal" ? node.signal : null,
    timeoutMs: node.kind === "signal" ? node.timeoutMs : null,
    timeoutAt: null,
    retried: [],
    isErased: false,
  };
}

/** What may be written with a node beside what memory has of it; absent: stays. */
export interface NodeTexts {
  readonly spec?: NodeSpec;
  /** JSON text; null: none is kept. */
  readonly told?: { readonly result: string | null; readonly spawned: string | null };
}

/** Writes a node as memory has it. Inside a transaction. */
export function saveNode(sql: Sql, node: RunNode, { spec, told }: NodeTexts = {}): void {
  const { seq, placed, portion, to_end } = columnsOf(node.task);
  sql.run(
    SAVE,
    node.i,
    node.kind,
    JSON.stringify(node.parents),
    node.state,
    seq,
    placed,
    portion,
    to_end,
    node.endedAt,
    node.endedNo,
    node.code,
    node.message,
    node.timeoutAt,
    node.retried.length === 0 ? null : JSON.stringify(node.retried),
    spec ? JSON.stringify(spec) : null,
    told ? 1 : 0,
    told?.result ?? null,
    told?.spawned ?? null,
  );
}

export function specOf(sql: Sql, { i }: Pick<RunNode, "i">): NodeSpec {
  const [row] = sql.all<{ spec: string }>(SPEC, i);
  if (!row) throw new Error(`node ${i} has no row`);
  return JSON.parse(row.spec) as NodeSpec;
}

/** The result that was told with its end; null: none, or it is read elsewhere. */
export function keptResult(sql: Sql, { i }: Pick<RunNode, "i">): string | null {
  return sql.all<{ result: string | null }>(RESULT, i)[0]?.result ?? null;
}

export function spawnedOf(sql: Sql, { i }: Pick<RunNode, "i">): string | null {
  return sql.all<{ spawned: string | null }>(SPAWNED, i)[0]?.spawned ?? null;
}

/** What it spawned is among the nodes now. Inside a transaction. */
export function forgetSpawned(sql: Sql, { i }: Pick<RunNode, "i">): void {
  sql.run(FORGET_SPAWNED, i);
}
