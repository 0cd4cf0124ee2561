/** Webhooks as they are: one, or a page of them. Their secrets are told apart (save-webhook.ts). */
import { noSuchQueue } from "../../../core/errors.ts";
import type { QueueName } from "../../../core/ids.ts";
import type { Answer } from "../../../core/schema/answer.ts";
import type { WebhookRecord } from "../../../core/schema/webhooks-rpc.ts";
import { read } from "../perform.ts";
import { findQueue } from "../queues/queue-entry.ts";
import { type DirectoryState, done, refuse } from "../state.ts";
import { unknownWebhook } from "./save-webhook.ts";
import { findWebhook, webhooksAfter } from "./webhook-row.ts";

const MAX_PAGE = 100;

export async function getWebhook(
  state: DirectoryState,
  { id }: { readonly id: string },
): Promise<Answer<{ readonly webhook: WebhookRecord }>> {
  return read(state, unknownWebhook(id), () => {
    const found = findWebhook(state, id);
    return found ? done({ webhook: found.webhook }) : unknownWebhook(id);
  });
}

export async function listWebhooks(
  state: DirectoryState,
  request: { readonly queue: QueueName | null; readonly after: string | null; readonly limit: number },
): Promise<Answer<{ readonly webhooks: readonly WebhookRecord[]; readonly next: string | null }>> {
  const { queue } = request;
  const unknown = queue === null ? null : refuse("queue-unknown", noSuchQueue(queue), { pointer: "?queue" });
  return read(state, unknown ?? done({ webhooks: [], next: null }), () => {
    if (unknown && queue !== null && !findQueue(state, queue)) return unknown;
    const limit = Math.min(MAX_PAGE, Math.max(1, request.limit));
    const found = webhooksAfter(state, request.after ?? "", queue, limit + 1);
    const webhooks = found.slice(0, limit);
    return done({ webhooks, next: found.length > limit ? (webhooks.at(-1)?.id ?? null) : null });
  });
}
