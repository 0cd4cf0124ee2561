/** A session ends: its last outcomes count, what it still holds goes back to QUEUED unspent. */
import type { CloseAnswer, CloseRequest } from "../../../core/schema/session-rpc.ts";
import { afterOperation } from "../after.ts";
import { tellWaiters } from "../reads/wait.ts";
import { refuse, type Shard } from "../shard.ts";
import { heldRows } from "../task-rows.ts";
import { answerParked, EMPTY_HANDOUT } from "./park.ts";
import { forgetSession } from "./session-rows.ts";
import { handBack, settle } from "./settle.ts";

/** Closing again, after a lost answer, is refused as `session-unknown` and has changed nothing. */
export function close(shard: Shard, request: CloseRequest): CloseAnswer {
  const now = shard.ports.now();
  const session = shard.memory.sessions.get(request.session);
  if (!session) return refuse("session-unknown", "no such session, or its lease ended");
  const settled = shard.transact(() => {
    const result = settle(shard, session, request.outcomes, now);
    // A consumer closes when nothing runs: what is left crossed its close on the way, and never began.
    const mayHaveBegun = session.worker.kind !== "consumer";
    for (const row of heldRows(shard.sql, session.id, [...session.claims.keys()])) {
      const held = session.claims.get(row.seq);
      if (held) result.ended.push(...handBack(shard, session, row, held, mayHaveBegun, now));
    }
    forgetSession(shard, session, now);
    return result;
  });
  answerParked(shard, session.id, EMPTY_HANDOUT);
  tellWaiters(shard, settled.ended);
  afterOperation(shard, now);
  return { v: 1, ok: true, lost: settled.lost };
}
