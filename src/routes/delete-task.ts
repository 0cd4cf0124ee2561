/**
 * DELETE /tasks/submissions/{id}: the data of a finished task goes, from its shard first. History is written by its shard
 * alone, so once that has dropped the record and put a tombstone in its place, nothing new can come to D1; what is on its
 * way there is of a lower revision than the tombstone and loses, before or after. The other way round D1 would be clean
 * until the next flush. 204 is said when D1 has the tombstone; where it has not, 503, and the same call, or the shard by
 * itself, finishes it.
 */
import { Problem } from "../../core/errors.ts";
import { taskId } from "../../core/ids.ts";
import type { EraseAnswer } from "../../core/schema/erase-rpc.ts";
import { messageOf } from "../../history/judge-error.ts";
import { packBodies } from "../../history/outbox-body.ts";
import { tombstoneOf } from "../../history/tombstone.ts";
import { within } from "../../history/within.ts";
import { type WriteOutcome, writeHistory } from "../../history/write.ts";
import { answered, ask, deadlineOf, timeLeft } from "../../reads/ask.ts";
import { isFound, type Located, locate, type Missing, readKept } from "../../reads/find-tasks.ts";
import { checkRevision, readRevision } from "../change/read-revision.ts";
import { type Ctx, type Door, noteTask } from "../door.ts";

type Ended = NonNullable<Extract<EraseAnswer, { ok: true }>["task"]>;

export async function deleteTask(door: Door, c: Ctx): Promise<Response> {
  const rev = readRevision(c);
  const deadline = deadlineOf(door.ports);
  const located = await locate(door, c.env.tenant, c.req.param("id") ?? "", deadline);
  if ("code" in located) throw problemOf(located);
  noteTask(c, taskId(located.at, located.seq));
  const { task } = answered(await eraseInShard(door, located, rev, deadline));
  const ended = task ?? (await readEnded(door, located, rev, deadline));
  if (ended !== null) await bury(door, located, ended, deadline);
  return new Response(null, { status: 204 });
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
