/**
 * What would become of dead letters if they were redriven: each is made into its task as a redrive makes it, and left. A
 * portion a call, the oldest end first, as a job goes through them. Must stay true: nothing is written.
 */
import { cutByBytes, MAX_ANSWER_BYTES } from "../../../core/bytes.ts";
import type { Seq } from "../../../core/ids.ts";
import { isKeyed } from "../../../core/lanes.ts";
import { isFault } from "../../../core/make-task.ts";
import type { DeadPlace, TryRedriveAnswer, TryRedriveRequest, Unfit } from "../../../core/schema/dead-letters-rpc.ts";
import type { NewTask } from "../../../core/schema/rpc.ts";
import type { Shard } from "../shard.ts";
import { laneKeyFor } from "../submit/insert-tasks.ts";
import { roomIn } from "../submit/room.ts";
import { recordOf, rowsOf } from "../task-rows.ts";
import { areLanesFull } from "../waiting/lane-rows.ts";
import { MOST_REDRIVEN, MOST_TOLD } from "./bulk-dead.ts";
import { matchDead } from "./match-tasks.ts";
import { NO_LANE, taskFor } from "./redrive.ts";

const next = (where: string) => `SELECT seq, ended_at AS endedAt, coalesce(dead_bytes, 0) AS bytes FROM task
  WHERE ${where} AND (ended_at, seq) > (?, ?) AND ended_at <= ? ORDER BY ended_at, seq LIMIT ${MOST_REDRIVEN + 1}`;

interface Found extends DeadPlace {
  readonly seq: Seq;
  readonly bytes: number;
}

export function tryRedrive(shard: Shard, { filter, edit = {}, asOf, after }: TryRedriveRequest): TryRedriveAnswer {
  if (!shard.memory.hasTables) return { v: 1, ok: true, tried: 0, failed: 0, failures: [], refusal: null, more: false };
  const { where, values } = matchDead(filter);
  const { endedAt, seq } = after ?? { endedAt: 0, seq: 0 };
  const found = shard.sql.all<Found>(next(where), ...values, endedAt, seq, asOf);
  const [portion = []] = cutByBytes(found.slice(0, MOST_REDRIVEN), ({ bytes }) => bytes, MAX_ANSWER_BYTES);
  const places = new Map(portion.map((place) => [place.seq, place]));
  const failures: Unfit[] = [];
  let isLaneMissing = false;
  const now = shard.ports.now();
  const rows = new Map(rowsOf(shard.sql, [...places.keys()]).map((row) => [row.seq, row]));
  for (const seq of places.keys()) {
    const row = rows.get(seq);
    if (!row) continue;
    const task = taskFor(shard, recordOf(row), edit, now);
    if (isFault(task)) failures.push({ seq, fault: task });
    else isLaneMissing ||= !wouldHaveLane(shard, task);
  }
  const last = portion.at(-1);
  return {
    v: 1,
    ok: true,
    tried: portion.length,
    failed: failures.length,
    failures: failures.slice(0, MOST_TOLD),
    refusal: roomIn(shard).refusal ?? (isLaneMissing ? NO_LANE : null),
    more: portion.length < found.length,
    ...(last && { after: { endedAt: last.endedAt, seq: last.seq } }),
  };
}

/** Empty lanes would be reclaimed. */
function wouldHaveLane(shard: Shard, task: NewTask): boolean {
  const key = laneKeyFor(task);
  const { lanes } = shard.memory;
  return !isKeyed(key) || lanes.find(key) !== undefined || !areLanesFull(shard, -lanes.empty.size);
}
