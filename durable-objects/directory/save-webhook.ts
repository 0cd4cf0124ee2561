/**
 * Makes, changes and deletes a queue's webhooks, and changes secrets. Each is a change of the queue's settings, newer by a
 * version, so that it reaches every shard as any other does: what is owed stands in the same transaction.
 */
import { noSuchQueue } from "../../core/errors.ts";
import type { QueueName } from "../../core/ids.ts";
import type { Answer, Refusal } from "../../core/schema/answer.ts";
import type {
  SecretsAnswer,
  Told,
  WebhookAnswer,
  WebhookChanges,
  WebhookRecord,
  WebhookSecret,
} from "../../core/schema/webhooks-rpc.ts";
import { makeSecret, rotateSecrets, secretsAt } from "../../core/webhook-secrets.ts";
import { noteEvent } from "./note-event.ts";
import { write } from "./perform.ts";
import { outstanding, oweSettings, type Push, sendSettings } from "./push-settings.ts";
import { allQueues, findOrMakeQueue, findQueue, renewQueue } from "./queue-entry.ts";
import { ensureSigning, keepSigning, signingSecrets } from "./signing-secrets.ts";
import { type DirectoryState, done, refuse } from "./state.ts";
import { countWebhooks, findWebhook, type KeptWebhook, removeWebhook, saveWebhook } from "./webhook-row.ts";

/** They travel with the queue's settings, and each end is a delivery to each. */
const MAX_OF_QUEUE = 10;

export async function createWebhook(
  state: DirectoryState,
  request: { readonly queue: QueueName; readonly url: string } & WebhookChanges,
): Promise<Answer<{ readonly webhook: WebhookRecord; readonly secret: string } & Told>> {
  const { queue, url, events = null, description = null, disabled = false } = request;
  const now = state.ports.now();
  const secret = makeSecret(state.ports.uuid);
  const id = `wh_${state.ports.uuid()}`;
  const times = { createdAt: now, updatedAt: now };
  const webhook = { id, queue, url, events, description, disabled, disabledReason: null, ...times };
  const changed = write(state, () => {
    if (!findOrMakeQueue(state, queue)) return refuse("queue-unknown", noSuchQueue(queue), { pointer: "/queue" });
    if (countWebhooks(state, queue) >= MAX_OF_QUEUE)
      return refuse("invalid-request", `${queue} has ${MAX_OF_QUEUE} webhooks, which is the most`, {
        pointer: "/queue",
      });
    return keep(state, { webhook, secrets: [secret] }, "made");
  });
  const told = await tell(state, changed);
  return told.ok ? done({ webhook, secret: secret.secret, shards: told.shards }) : told;
}

/** Enabled, it is sent what ends from then on. */
export async function changeWebhook(
  state: DirectoryState,
  { id, changes }: { readonly id: string; readonly changes: WebhookChanges },
): Promise<WebhookAnswer> {
  let webhook: WebhookRecord | null = null;
  const changed = write(state, () => {
    const found = findWebhook(state, id);
    if (!found) return unknownWebhook(id);
    const reason = changes.disabled === undefined ? {} : { disabledReason: null };
    webhook = { ...found.webhook, ...changes, ...reason };
    // Nothing new: nothing is written, and shards that have not answered yet are asked again.
    if (JSON.stringify(webhook) === JSON.stringify(found.webhook))
      return done({ pushes: outstanding(state, webhook.queue) });
    webhook = { ...webhook, updatedAt: state.ports.now() };
    return keep(state, { ...found, webhook }, "changed");
  });
  const told = await tell(state, changed);
  return told.ok && webhook ? done({ webhook, shards: told.shards }) : told.ok ? unknownWebhook(id) : told;
}

/** What waits for it ends as failed. */
export async function deleteWebhook(state: DirectoryState, { id }: { readonly id: string }): Promise<Answer<object>> {
  const changed = write(state, () => {
    const found = findWebhook(state, id);
    if (!found) return unknownWebhook(id);
    removeWebhook(state, id);
    noteEvent(state, "webhook-changed", `${id} of ${found.webhook.queue}: deleted`, found.webhook.queue);
    return done({ pushes: renew(state, [found.webhook.queue]) });
  });
  return await tell(state, changed);
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
  return await tell(state, changed);
}

/** Those that count now, the newest first; with `rotate` a new one, and the one before signs for a day more. */
export async function webhookSecrets(
  state: DirectoryState,
  { id, rotate }: { readonly id: string | null; readonly rotate: boolean },
): Promise<SecretsAnswer> {
  const now = state.ports.now();
  let secrets: readonly WebhookSecret[] = [];
  const changed = write(state, () => {
    if (id === null) {
      const isNew = ensureSigning(state);
      secrets = signingSecrets(state);
      if (!isNew && !rotate) return done({ pushes: [] });
      if (!isNew) secrets = rotateSecrets(secrets, state.ports.uuid, now);
      keepSigning(state, secrets);
      noteEvent(state, "webhook-changed", "a new secret signs tasks' callbacks", null);
      return done({
        pushes: renew(
          state,
          allQueues(state).map(({ queue }) => queue),
        ),
      });
    }
    const found = findWebhook(state, id);
    if (!found) return unknownWebhook(id);
    secrets = found.secrets;
    if (!rotate) return done({ pushes: [] });
    secrets = rotateSecrets(secrets, state.ports.uuid, now);
    return keep(state, { ...found, secrets }, "given another secret");
  });
  const told = await tell(state, changed);
  return told.ok ? done({ secrets: secretsAt(secrets, now) }) : told;
}

export function unknownWebhook(id: string): Refusal {
  return refuse("webhook-unknown", `There is no webhook ${id}.`);
}

type Owed = Answer<{ readonly pushes: readonly Push[] }>;

function keep(state: DirectoryState, kept: KeptWebhook, deed: string): Owed {
  const { id, queue } = kept.webhook;
  saveWebhook(state, kept);
  noteEvent(state, "webhook-changed", `${id} of ${queue}: ${deed}`, queue);
  return done({ pushes: renew(state, [queue]) });
}

/** Inside a transaction. */
function renew(state: DirectoryState, queues: readonly QueueName[]): Push[] {
  return queues.flatMap((queue) => {
    const entry = findQueue(state, queue);
    return entry ? oweSettings(state, renewQueue(state, entry)) : [];
  });
}

async function tell(state: DirectoryState, changed: Owed): Promise<Answer<Told>> {
  if (!changed.ok) return changed;
  const answered = await sendSettings(state, changed.pushes);
  return done({ shards: { asked: changed.pushes.length, answered } });
}
