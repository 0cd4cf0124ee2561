/** Secrets that webhooks are signed with, as Standard Webhooks 1.0 has them; one that is replaced signs for a day more. */
import type { WebhookSecret } from "./schema/webhooks-rpc.ts";

/** How long (ms) the one before signs besides. */
export const OVERLAP_MS = 86_400_000;
const PREFIX = "whsec_";

/** @param uuid a fresh unguessable name: two of them are 244 bits of chance in 64 bytes */
export function makeSecret(uuid: () => string): WebhookSecret {
  return { secret: PREFIX + btoa(`${uuid()}${uuid()}`.replaceAll("-", "")), until: null };
}

/** A new one, and the one that it replaces until a day from now; those before it go. */
export function rotateSecrets(
  secrets: readonly WebhookSecret[],
  uuid: () => string,
  now: number,
): readonly WebhookSecret[] {
  const replaced = secrets.filter(({ until }) => until === null).map((one) => ({ ...one, until: now + OVERLAP_MS }));
  return [makeSecret(uuid), ...replaced];
}

/** Those that count now, the newest first. */
export function secretsAt(secrets: readonly WebhookSecret[], now: number): WebhookSecret[] {
  return secrets.filter(({ until }) => until === null || until > now);
}

/** Its bytes. */
export function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(secret.slice(PREFIX.length)), (char) => char.charCodeAt(0));
}
