/** Secrets that webhooks are signed with, as Standard Webhooks 1.0 has them; one that is replaced signs for a day more. */
import type { WebhookSecret } from "./schema/webhooks-rpc.ts";

/** How long (ms) the one before signs besides. */
export const OVERLAP_MS = 86_400_000;
const PREFIX = "whsec_";

/** @param uuid a fresh unguessable name: two of them are 244 bits of chance in 64 bytes */
export function makeSecret(uuid: () => string): WebhookSecret {
  return { secret: PREFIX + btoa(`${uuid()}${uuid()}`.replaceAll("-", "")), until: null };
}

/** However often they are changed: a signature of each stands in a header. */
const MOST_SECRETS = 5;

/**
 * A new one; the one that it replaces counts until a day from now, those before it until their own day is over: whoever
 * changes twice, because an answer was lost, cuts nobody off.
 */
export function rotateSecrets(
  secrets: readonly WebhookSecret[],
  uuid: () => string,
  now: number,
): readonly WebhookSecret[] {
  const replaced = secretsAt(secrets, now).map((one) => ({ ...one, until: one.until ?? now + OVERLAP_MS }));
  return [makeSecret(uuid), ...replaced].slice(0, MOST_SECRETS);
}

/** Those that count now, the newest first. */
export function secretsAt(secrets: readonly WebhookSecret[], now: number): WebhookSecret[] {
  return secrets.filter(({ until }) => until === null || until > now);
}

/** Its bytes. */
export function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(secret.slice(PREFIX.length)), (char) => char.charCodeAt(0));
}
