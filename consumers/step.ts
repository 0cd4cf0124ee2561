/** What a session is to do: session-plan.ts says it, session.ts does it. */
import type { Seq } from "../core/ids.ts";
import type { AdvanceRequest, ClaimedTask, CloseRequest } from "../core/schema/session-rpc.ts";

export type Step =
  | { readonly kind: "start"; readonly task: ClaimedTask }
  /** The shard gave that attempt up (its deadline passed) and hands the task out anew: the old one counts no more. */
  | { readonly kind: "abandon"; readonly seq: Seq }
  /** Somebody asked for it to stop. */
  | { readonly kind: "cancel"; readonly seq: Seq }
  | { readonly kind: "send"; readonly request: AdvanceRequest }
  | { readonly kind: "close"; readonly request: CloseRequest };
