/**
 * Makes, changes and deletes a queue's webhooks, and changes secrets. Each is a change of the queue's settings, newer by a
 * version, so that it reaches every shard as any other does: what is owed stands in the same transaction.
 */
import { noSuchQueue } from "../../../core/errors.ts";
import type { QueueName } from "../../../core/ids.ts";
import type { Answer, Keyed, Refusal, Replayed } from "../../../core/schema/answer.ts";
import type {
  SecretsAnswer,
  Told,
  WebhookAnswer,
  WebhookChanges,
  WebhookRecord,
  WebhookSecret,
} from "../../../core/schema/webhooks-rpc.ts";
import { makeSecret, rotateSecrets, secretsAt } from "../../../core/webhook-secrets.ts";
import { noteEvent } from "../note-event.ts";
import { write } from "../perform.ts";
import { outstanding, oweSettings, type Push, sendSettings } from "../queues/push-settings.ts";
import { allQueues, findOrMakeQueue, findQueue, renewQueue } from "../queues/queue-entry.ts";
import { ensureSigning, keepSigning, signingSecrets } from "../signing-secrets.ts";
import { type DirectoryState, done, refuse } from "../state.ts";
import { dropRequestKeys, writeOnce } from "../write-once.ts";
import {
  countWebhooks,
  findWebhook,
  findWebhookTo,
  type KeptWebhook,
  removeWebhook,
  saveWebhook,
} from "./webhook-row.ts";

/** They travel with the queue's settings, and each end is a delivery to each. */
const MAX_OF_QUEUE = 10;

export async function createWebhook(
  state: DirectoryState,
  request: Keyed & { readonly queue: QueueName; readonly url: string } & WebhookChanges,
): Promise<Answer<{ readonly webhook: WebhookRecord; readonly secret: string } & Told & Replayed>> {
  const { queue, url, events = null, description = null, disabled = false } = request;
  const now = state.ports.now();
  const secret = makeSecret(state.ports.uuid);
  const id = `wh_${state.ports.uuid()}`;
  const times = { createdAt: now, updatedAt: now };
  const webhook = { id, queue, url, events, description, disabled, disabledReason: null, ...times };
  const changed = writeOnce(state, request, `webhook:${id}`, () => {
    if (!findOrMakeQueue(state, queue)) return refuse("queue-unknown", noSuchQueue(queue), { pointer: "/queue" });
    if (countWebhooks(state, queue) >= MAX_OF_QUEUE)
      return refuse("invalid-request", `${queue} has ${MAX_OF_QUEUE} webhooks, which is the most`, {
        pointer: "/queue",
      });
    const fault = whyTwice(state, webhook);
    if (fault) return fault;
    return done({ webhook, secret: secret.secret, pushes: keep(state, { webhook, secrets: [secret] }, "made") });
  });
  if (!changed.ok) return changed;
  const { pushes, ...made } = changed;
  return { ...made, shards: await tell(state, pushes) };
}

/** A receiver is told once of an end. Inside a transaction. */
function whyTwice(state: DirectoryState, { id, queue, url }: WebhookRecord): Refusal | null {
  const other = findWebhookTo(state, queue, url, id);
  return other === null ? null : refuse("webhook-exists", `${other} of ${queue} is told at that url already.`);
}

/** Enabled, it is sent what ends from then on. */
export async function changeWebhook(
  state: DirectoryState,
  { id, changes }: { readonly id: string; readonly changes: WebhookChanges },
): Promise<WebhookAnswer> {
  const changed = write(state, () => {
    const found = findWebhook(state, id);
    if (!found) return unknownWebhook(id);
    const reason = changes.disabled === undefined ? {} : { disabledReason: null };
    const wanted = { ...found.webhook, ...changes, ...reason };
    // Nothing new: nothing is written, and shards that have not answered yet are asked again.
    if (JSON.stringify(wanted) === JSON.stringify(found.webhook))
      return done({ webhook: wanted, pushes: outstanding(state, wanted.queue) });
    const fault = changes.url === undefined ? null : whyTwice(state, wanted);
    if (fault) return fault;
    const webhook = { ...wanted, updatedAt: state.ports.now() };
    return done({ webhook, pushes: keep(state, { ...found, webhook }, "changed") });
  });
  if (!changed.ok) return changed;
  return done({ webhook: changed.webhook, shards: await tell(state, changed.pushes) });
}

/** What waits for it ends as failed. */
export async function deleteWebhook(state: DirectoryState, { id }: { readonly id: string }): Promise<Answer<object>> {
  const changed = write(state, () => {
    const found = findWebhook(state, id);
    if (!found) return unknownWebhook(id);
    removeWebhook(state, id);
    dropRequestKeys(state, `webhook:${id}`);
    noteEvent(state, "webhook-changed", `${id} of ${found.webhook.queue}: deleted`, found.webhook.queue);
    return done({ pushes: renew(state, [found.webhook.queue]) });
  });
  if (!changed.ok) return changed;
  return done({ shards: await tell(state, changed.pushes) });
}

/** Its receiver said 410: it is disabled. */
export async function webhookGone(state: DirectoryState, { id }: { readonly id: string }): Promise<Answer<object>> {
  const changed = write(state, () => {
    const found = findWebhook(state, id);
    if (!found) return unknownWebhook(id);
    const { webhook } = found;
    if (webhook.disabled) return done({ pushes: [] });
    const disabledReason = "its receiver answered 410 Gone";
    saveWebhook(state, {
      ...found,
      webhook: { ...webhook, disabled: true, disabledReason, updatedAt: state.ports.now() },
    });
    noteEvent(state, "webhook-disabled", `${id} of ${webhook.queue}: ${disabledReason}`, webhook.queue);
    return done({ pushes: renew(state, [webhook.queue]) });
  });
  if (!changed.ok) return changed;
  return done({ shards: await tell(state, changed.pushes) });
}

/** Those that count now, the newest first; with `rotate` a new one, and the one before signs for a day more. */
export async function webhookSecrets(
  state: DirectoryState,
  request: Keyed & { readonly id: string | null; readonly rotate: boolean },
): Promise<SecretsAnswer> {
  const { id, rotate } = request;
  const now = state.ports.now();
  const rotated = (secrets: readonly WebhookSecret[]) => rotateSecrets(secrets, state.ports.uuid, now);
  const changed = writeOnce(state, request, id === null ? null : `webhook:${id}`, () => {
    if (id === null) {
      const isNew = ensureSigning(state);
      const known = signingSecrets(state);
      if (!isNew && !rotate) return done({ secrets: known, pushes: [] });
      const secrets = isNew ? known : rotated(known);
      keepSigning(state, secrets);
      noteEvent(state, "webhook-changed", "a new secret signs tasks' callbacks", null);
      const queues = allQueues(state).map(({ queue }) => queue);
      return done({ secrets, pushes: renew(state, queues) });
    }
    const found = findWebhook(state, id);
    if (!found) return unknownWebhook(id);
    if (!rotate) return done({ secrets: found.secrets, pushes: [] });
    const secrets = rotated(found.secrets);
    return done({ secrets, pushes: keep(state, { ...found, secrets }, "given another secret") });
  });
  if (!changed.ok) return changed;
  await tell(state, changed.pushes);
  const { replayed } = changed;
  return done({ secrets: secretsAt(changed.secrets, now), ...(replayed && { replayed }) });
}

export function unknownWebhook(id: string): Refusal {
  return refuse("webhook-unknown", `There is no webhook ${id}.`);
}

/** Inside a transaction. */
function keep(state: DirectoryState, kept: KeptWebhook, deed: string): Push[] {
  const { id, queue } = kept.webhook;
  saveWebhook(state, kept);
  noteEvent(state, "webhook-changed", `${id} of ${queue}: ${deed}`, queue);
  return renew(state, [queue]);
}

/** Inside a transaction. */
function renew(state: DirectoryState, queues: readonly QueueName[]): Push[] {
  return queues.flatMap((queue) => {
    const entry = findQueue(state, queue);
    return entry ? oweSettings(state, renewQueue(state, entry)) : [];
  });
}

async function tell(state: DirectoryState, pushes: readonly Push[]): Promise<Told["shards"]> {
  return { asked: pushes.length, answered: await sendSettings(state, pushes) };
}
