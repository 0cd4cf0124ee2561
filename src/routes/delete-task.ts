/**
 * DELETE /tasks/submissions/{id}: the data of a finished task goes, from its shard first. History is written by its shard
 * alone, so once that has dropped the record and put a tombstone in its place, nothing new can come to D1; what is on its
 * way there is of a lower revision than the tombstone and loses, before or after. The other way round D1 would be clean
 * until the next flush. 204 is said when D1 has the tombstone; where it has not, 503, and the same call, or the shard by
 * itself, finishes it.
 */
import { Problem } from "../../core/errors.ts";
import { type TenantName, taskId } from "../../core/ids.ts";
import type { EraseAnswer } from "../../core/schema/erase-rpc.ts";
import { isFinished } from "../../core/status.ts";
import type { TaskRecord } from "../../core/task.ts";
import { workflowOf } from "../../durable-objects/stubs.ts";
import { messageOf } from "../../history/judge-error.ts";
import { packBodies } from "../../history/outbox-body.ts";
import { tombstoneOf } from "../../history/tombstone.ts";
import { within } from "../../history/within.ts";
import { type WriteOutcome, writeHistory } from "../../history/write.ts";
import { answered, ask, deadlineOf, timeLeft } from "../../reads/ask.ts";
import { isFound, type Located, locate, type Missing, readKept, readShard } from "../../reads/find-tasks.ts";
import { checkRevision, readRevision } from "../change/read-revision.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";

type Ended = NonNullable<Extract<EraseAnswer, { ok: true }>["task"]>;

export async function deleteTask(door: Door, c: Ctx): Promise<Response> {
  const rev = readRevision(c);
  const deadline = deadlineOf(door.ports);
  const located = await locate(door, c.env.tenant, c.req.param("id") ?? "", deadline);
  if ("code" in located) throw problemOf(located);
  noteTask(c, taskId(located.at, located.seq));
  const [found] = await readShard(door, located, [located.seq], { deadline, waitMs: 0, texts: false });
  const known = found !== undefined && isFound(found) ? found.record : null;
  if (known) checkRevision(known, rev);
  if (known) await eraseInRun(door, c.env.tenant, located, known, deadline);
  const { task } = answered(await eraseInShard(door, located, rev, deadline));
  // What it was is what it is: only one that ended meanwhile is read once more.
  const ended = task ?? (known && isFinished(known.status) ? known : await readEnded(door, located, rev, deadline));
  if (ended !== null) await bury(door, located, ended, deadline);
  return new Response(null, { status: 204 });
}

/** The run that the task is a node of has its payload and result too. @throws Problem where it does not answer */
async function eraseInRun(
  { ports, log }: Door,
  tenant: TenantName,
  { at, seq }: Located,
  { status, links }: TaskRecord,
  deadline: number,
): Promise<void> {
  const partOf = links?.partOf;
  if (partOf === undefined || !("run" in partOf)) return;
  if (!isFinished(status))
    throw new Problem("task-unfinished", `The task is ${status}; what has not ended is cancelled first.`);
  const { run, node: key } = partOf;
  const question = { whom: `The run ${run}`, ms: timeLeft(ports, deadline), lost: "unavailable" } as const;
  const answer = await ask(ports, log, question, () =>
    workflowOf(ports, tenant, run).eraseNode({ v: 1, key, task: taskId(at, seq) }),
  );
  if (!answer.ok && answer.code !== "workflow-unknown") answered(answer);
}

/** Tried once more where no answer came: twice is once. */
async function eraseInShard(
  { ports, log }: Door,
  { at, seq }: Located,
  rev: number | null,
  deadline: number,
): Promise<EraseAnswer> {
  const whom = `Shard ${at.shard} of ${at.queue}`;
  const tell = () =>
    ask(ports, log, { whom, ms: timeLeft(ports, deadline), lost: "unavailable" }, () =>
      ports.shard(at).erase({ v: 1, seq, rev }),
    );
  const first = await tell();
  return !first.ok && first.code === "unavailable" && ports.now() < deadline ? await tell() : first;
}

/** What D1 has; null: a tombstone already. @throws Problem where it is nowhere, or D1 does not answer */
async function readEnded(door: Door, located: Located, rev: number | null, deadline: number): Promise<Ended | null> {
  const [kept] = await readKept(door, located, [located.seq], { texts: false, deadline });
  if (kept !== undefined && isFound(kept)) {
    checkRevision(kept.record, rev);
    return kept.record;
  }
  if (kept?.code === "task-deleted") return null;
  throw problemOf(kept ?? { code: "task-unknown", detail: "There is no such task." });
}

/** @throws Problem where D1 does not take it now */
async function bury(door: Door, { at, entry }: Located, ended: Ended, deadline: number): Promise<void> {
  const { ports, log } = door;
  const { history, historyTtlSeconds } = entry.settings;
  const database = ports.history(history);
  if (database === null)
    throw new Problem("misconfigured", `HISTORY_${history} is not bound; bind it in wrangler.toml.`);
  const bodies = packBodies([tombstoneOf(ended, historyTtlSeconds, ports.now())]);
  const reason = await failureOf(within(ports, timeLeft(ports, deadline), writeHistory(database, at, bodies, ports)));
  if (reason === null) return;
  log("warn", "erase-postponed", { queue: at.queue, database: history, reason });
  throw new Problem("history-unavailable", "The history database does not answer, and may still have the data.");
}

/** null: D1 took it. */
async function failureOf(writing: Promise<WriteOutcome>): Promise<string | null> {
  try {
    const written = await writing;
    return written.ok ? (written.refused[0]?.reason ?? null) : written.reason;
  } catch (error) {
    return messageOf(error);
  }
}

function problemOf({ code, detail }: Missing): Problem {
  return new Problem(code, detail);
}
