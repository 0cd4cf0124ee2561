/**
 * Times the shipped `advance`, as a session calls it, without the RPC and the handler around it: a turn that claims,
 * then a turn that settles those. The clock of a local runtime goes on while code runs; Cloudflare's stands still.
 */
import type { AdvanceAnswer, Answer, ClaimedTask, Outcome, ShardRpc } from "../../core/schema/rpc.ts";
import type { ClaimsRequest } from "./bench-rpc.ts";

export async function timeClaims(
  shard: Pick<ShardRpc, "open" | "advance" | "close">,
  { type, turns, size }: ClaimsRequest,
): Promise<Answer<{ readonly claims: readonly number[]; readonly settles: readonly number[] }>> {
  const worker = { name: "bench", kind: "pull", types: { [type]: 1 }, boot: null } as const;
  const opened = await shard.open({ v: 1, ticket: null, solo: false, worker, want: 0 });
  if (!opened.ok) return opened;
  const { session } = opened;
  if (session === null)
    return { v: 1, ok: false, code: "unavailable", detail: "the shard had nothing for the session" };

  let turn = 0;
  const claims: number[] = [];
  const settles: number[] = [];
  const take = (want: number, outcomes: readonly Outcome[]): Promise<AdvanceAnswer> =>
    shard.advance({
      ...{ v: 1, session, turn: ++turn, answered: turn - 1, started: [], progress: [], waitMs: 0 },
      ...{ want, outcomes, holding: [] },
    });
  for (let i = 0; i < turns; i++) {
    const claiming = performance.now();
    const claimed = await take(size, []);
    claims.push(performance.now() - claiming);
    if (!claimed.ok) return claimed;
    const { tasks } = claimed.handout;
    if (tasks.length !== size)
      return { v: 1, ok: false, code: "unavailable", detail: `a claim of ${size} brought ${tasks.length}` };
    const settling = performance.now();
    const settled = await take(0, tasks.map(succeeded));
    settles.push(performance.now() - settling);
    if (!settled.ok) return settled;
  }
  const closed = await shard.close({ v: 1, session, turn: turn + 1, outcomes: [] });
  return closed.ok ? { v: 1, ok: true, claims, settles } : closed;
}

function succeeded({ seq, attempt }: ClaimedTask): Outcome {
  return { kind: "succeeded", seq, attempt, startedAt: 0, endedAt: 0, result: "null" };
}
