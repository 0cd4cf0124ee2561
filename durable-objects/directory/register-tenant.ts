/** How `_root` comes to know a tenant: the first write of its Directory owes the registration, the alarm pays it. */
import { TENANT_NAME, type TenantName } from "../../core/ids.ts";
import type { Answer } from "../../core/schema/answer.ts";
import { callWithin, ROOT, rootDirectory } from "../stubs.ts";
import { noteEvent } from "./note-event.ts";
import { read, write } from "./perform.ts";
import { type DirectoryState, done, refuse } from "./state.ts";

const OWED = "UPDATE directory SET register_at = ?2 WHERE register_at <= ?1 RETURNING 1 AS one";
const REGISTERED = "UPDATE directory SET register_at = NULL";
const ADD = "INSERT INTO tenant (name) VALUES (?) ON CONFLICT (name) DO NOTHING RETURNING name";
const LIST = "SELECT name FROM tenant ORDER BY name";

const TRY_EVERY_MS = 5_000;
const ANSWER_WITHIN_MS = 2_000;

/** Whether `_root` is to be told now; the next try is 5 s ahead already. Inside a transaction. */
export function takeRegistration(state: DirectoryState, now: number): boolean {
  return !state.isRoot && state.sql.all(OWED, now, now + TRY_EVERY_MS).length > 0;
}

/** Never rejects. */
export async function registerAtRoot(state: DirectoryState): Promise<void> {
  const request = { v: 1, tenant: state.name as TenantName } as const;
  const { ports } = state;
  const answer = await callWithin(ports, ANSWER_WITHIN_MS, () => rootDirectory(ports).registerTenant(request));
  if (answer.ok)
    write(state, () => {
      state.sql.run(REGISTERED);
      return done({});
    });
}

/** `_root` alone. */
export async function registerTenant(
  state: DirectoryState,
  request: { readonly tenant: TenantName },
): Promise<Answer<object>> {
  const { tenant } = request;
  if (!state.isRoot || !TENANT_NAME.test(tenant)) return refuse("invalid-request", `${ROOT} alone keeps tenants`);
  return write(state, () => {
    if (state.sql.all(ADD, tenant).length > 0) noteEvent(state, "tenant-created", tenant, null);
    return done({});
  });
}

export async function listTenants(state: DirectoryState): Promise<Answer<{ readonly tenants: readonly TenantName[] }>> {
  return read(state, done({ tenants: [] }), () => {
    const rows = state.sql.all<{ name: TenantName }>(LIST);
    return done({ tenants: rows.map((row) => row.name) });
  });
}
