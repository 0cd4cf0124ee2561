/** Local shutdown: `_root` tells every tenant, a tenant tells every shard, whose sessions then get `stop`. */
import type { Answer, DrainAnswer } from "../../core/schema/answer.ts";
import { callWithin, fanOut } from "../stubs.ts";
import { read } from "./perform.ts";
import { allShards } from "./queues/queue-entry.ts";
import { type DirectoryState, done } from "./state.ts";
import { eachTenant } from "./tick.ts";

const SHARD_WITHIN_MS = 1_000;

/** Refused as the first one that could not be told; the others have been. */
export async function drain(state: DirectoryState): Promise<DrainAnswer> {
  if (state.isRoot) return sum(await eachTenant(state, (tenant) => tenant.drain({ v: 1 })));
  const { ports } = state;
  const all = read(state, done({ shards: [] }), () => done({ shards: allShards(state) }));
  if (!all.ok) return all;
  const answers = await fanOut(all.shards, (shard) =>
    callWithin(ports, SHARD_WITHIN_MS, () => ports.shard(shard).drain({ v: 1 })),
  );
  return sum(done({ answers }));
}

function sum(all: Answer<{ readonly answers: readonly DrainAnswer[] }>): DrainAnswer {
  if (!all.ok) return all;
  let sessions = 0;
  for (const answer of all.answers) {
    if (!answer.ok) return answer;
    sessions += answer.sessions;
  }
  return done({ sessions });
}
