/** The tenant's secret, which tasks' own callbacks are signed with. Each queue's shards have it with their settings. */
import type { WebhookSecret } from "../../core/schema/webhooks-rpc.ts";
import { makeSecret } from "../../core/webhook-secrets.ts";
import type { DirectoryState } from "./state.ts";

const FIND = "SELECT signing FROM directory";
const KEEP = "UPDATE directory SET signing = ?";

export function signingSecrets(state: DirectoryState): readonly WebhookSecret[] {
  const text = state.sql.all<{ signing: string | null }>(FIND)[0]?.signing;
  return text ? (JSON.parse(text) as WebhookSecret[]) : [];
}

/** Inside a transaction. Shards have it with the next settings that they are sent. */
export function keepSigning(state: DirectoryState, secrets: readonly WebhookSecret[]): void {
  state.sql.run(KEEP, JSON.stringify(secrets));
}

/** Makes the secret where there is none: with the first queue. Inside a transaction. @returns whether it was made */
export function ensureSigning(state: DirectoryState): boolean {
  if (signingSecrets(state).length > 0) return false;
  keepSigning(state, [makeSecret(state.ports.uuid)]);
  return true;
}
