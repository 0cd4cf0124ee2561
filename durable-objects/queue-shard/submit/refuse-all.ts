/** What a request that is all or nothing is answered where one of its tasks is not taken. */
import type { Refusal } from "../../../core/schema/answer.ts";
import type { RefusedTask } from "../../../core/schema/rpc.ts";

const SOON = { retryAfterMs: 1_000 };
const SIBLING = "Another task of the batch has that key.";

/** All of a request, because of one task. @param isSibling what has its key is another task of the request */
export function refuseAll(index: number, refusal: Omit<RefusedTask, "index">, isSibling: boolean): Refusal {
  const { code } = refusal;
  const pointer = `/tasks/${index}`;
  if (code === "invalid-request") return { v: 1, ok: false, ...refusal, pointer: `${pointer}/expiresAt` };
  if (code !== "duplicate-task") return { v: 1, ok: false, ...refusal, ...SOON };
  if (!isSibling) return { v: 1, ok: false, ...refusal, pointer: `${pointer}/unique` };
  return { v: 1, ok: false, code, detail: SIBLING, pointer: `${pointer}/unique` };
}
