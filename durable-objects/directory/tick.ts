/**
 * The watchdog, each minute by the cron trigger: `_root` passes it to every tenant; a tenant does what is due, looks
 * whether its alarm is there, and once after a local restart wakes its shards, whose tickets died with the queues.
 */
import type { TenantName } from "../../core/ids.ts";
import type { Answer } from "../../core/schema/answer.ts";
import { callWithin, directoryOf, fanOut } from "../stubs.ts";
import { checkAlarm } from "./arm.ts";
import { read, write } from "./perform.ts";
import { allShards } from "./queues/queue-entry.ts";
import { listTenants } from "./register-tenant.ts";
import { runDue } from "./run-due.ts";
import { signingSecrets } from "./signing-secrets.ts";
import { type DirectoryState, done } from "./state.ts";
import { webhookSecrets } from "./webhooks/save-webhook.ts";

const WOKEN = "SELECT woken_boot FROM directory";
const KEEP_WOKEN = "UPDATE directory SET woken_boot = ?";

const TENANT_WITHIN_MS = 10_000;
const SHARD_WITHIN_MS = 1_000;

export async function tick(state: DirectoryState): Promise<Answer<object>> {
  if (state.isRoot) {
    const all = await eachTenant(state, (tenant) => tenant.tick({ v: 1 }));
    return all.ok ? (all.answers.find((answer) => !answer.ok) ?? done({})) : all;
  }
  runDue(state);
  await checkAlarm(state);
  await signCallbacks(state);
  await wakeShards(state);
  return done({});
}

/** `_root`: asks every tenant's Directory, 32 at a time; one that is silent keeps none of the others. */
export async function eachTenant<T>(
  state: DirectoryState,
  ask: (tenant: ReturnType<typeof directoryOf>) => Promise<Answer<T>>,
): Promise<Answer<{ readonly answers: readonly Answer<T>[] }>> {
  const listed = await listTenants(state);
  if (!listed.ok) return listed;
  const { ports } = state;
  const askOne = (tenant: TenantName) => callWithin(ports, TENANT_WITHIN_MS, () => ask(directoryOf(ports, tenant)));
  return done({ answers: await fanOut(listed.tenants, askOne) });
}

/** A tenant from before there were callbacks gets its secret, and its shards with it. */
async function signCallbacks(state: DirectoryState): Promise<void> {
  const known = read(state, done({ isMissing: false }), () => done({ isMissing: signingSecrets(state).length === 0 }));
  if (known.ok && known.isMissing) await webhookSecrets(state, { id: null, rotate: false });
}

/** Once a boot, and again at the next tick where not all have answered. */
async function wakeShards(state: DirectoryState): Promise<void> {
  const { ports } = state;
  const { boot } = ports;
  if (boot === null) return;
  const asleep = read(state, done({ shards: [] }), () => {
    const [row] = state.sql.all<{ woken_boot: string | null }>(WOKEN);
    return done({ shards: row?.woken_boot === boot ? [] : allShards(state) });
  });
  if (!asleep.ok || asleep.shards.length === 0) return;
  const answers = await fanOut(asleep.shards, (shard) =>
    callWithin(ports, SHARD_WITHIN_MS, () => ports.shard(shard).wake({ v: 1 })),
  );
  if (answers.every((answer) => answer.ok))
    write(state, () => {
      state.sql.run(KEEP_WOKEN, boot);
      return done({});
    });
}
