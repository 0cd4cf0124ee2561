/**
 * A list over shards, by pages: each tells the first of its own from the cursor on, and the first of all of these are
 * the page. Each must answer: a list that lacked one's would be taken for the whole.
 */
import type { ShardAddress } from "../../core/ids.ts";
import type { Answer } from "../../core/schema/answer.ts";
import type { ShardRpc } from "../../core/schema/rpc.ts";
import { askEach } from "../bulk/ask-shards.ts";
import type { Door } from "../door.ts";
import { writeCursor } from "./cursor.ts";

export interface ListedAt<T> {
  readonly at: ShardAddress;
  readonly one: T;
}

export interface ListOver<T, A, P> {
  /** Asks a shard for `limit` of its own, in their order. */
  readonly ask: (shard: ShardRpc, at: ShardAddress) => Promise<Answer<A>>;
  readonly listOf: (answer: A) => readonly T[];
  /** Where the list goes on after one. */
  readonly placeOf: (listed: ListedAt<T>) => P;
  readonly compare: (a: P, b: P) => number;
}

/** @throws Problem where a shard does not answer */
export async function listOver<T, A, P extends object>(
  door: Door,
  shards: readonly ShardAddress[],
  limit: number,
  { ask, listOf, placeOf, compare }: ListOver<T, A, P>,
): Promise<{ readonly page: readonly ListedAt<T>[]; readonly cursor: string | null }> {
  const lists = (await askEach(door, shards, ask)).map(({ at, answer }) => ({ at, list: listOf(answer) }));
  const found = lists.flatMap(({ at, list }) => list.map((one) => ({ at, one })));
  found.sort((a, b) => compare(placeOf(a), placeOf(b)));
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const isLast = found.length <= limit && lists.every(({ list }) => list.length < limit);
  return { page, cursor: writeCursor(last === undefined || isLast ? null : placeOf(last)) };
}
