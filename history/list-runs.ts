/** The list of workflows' runs, as D1 has it: the newest first, a page at a time. */
import type { HistoryDatabase, Ports } from "../core/ports.ts";
import type { RunStatus } from "../core/schema/workflow-rpc.ts";
import { within } from "./within.ts";

const LIST = "SELECT id, name, status, created_at, ended_at, nodes FROM workflow";
const BEFORE = "WHERE tenant = ?1 AND (created_at, id) < (?2, ?3)";
const NEWEST_FIRST = "ORDER BY created_at DESC, id DESC LIMIT ?4";

export interface ListedRun {
  readonly id: string;
  readonly name: string | null;
  readonly status: RunStatus;
  readonly createdAt: number;
  readonly endedAt: number | null;
  readonly nodes: number;
}
export interface RunPlace {
  readonly createdAt: number;
  readonly id: string;
}
export interface RunFilter {
  readonly status: RunStatus | null;
  readonly name: string | null;
}

/** @param before null: from the newest on. @param ms how long to wait. @throws where D1 does not answer by then */
export async function listRuns(
  database: HistoryDatabase,
  tenant: string,
  { status, name }: RunFilter,
  before: RunPlace | null,
  limit: number,
  ports: Pick<Ports, "later">,
  ms: number,
): Promise<readonly ListedRun[]> {
  const { createdAt, id } = before ?? { createdAt: Number.MAX_SAFE_INTEGER, id: "" };
  const values: (string | number)[] = [tenant, createdAt, id, limit];
  // Left to itself SQLite reads the whole list of the tenant in its order.
  let index = "";
  let filter = "";
  if (status !== null) {
    index = "INDEXED BY workflow_status";
    filter += ` AND status = ?${values.push(status)}`;
  }
  if (name !== null) {
    index = "INDEXED BY workflow_name";
    filter += ` AND name = ?${values.push(name)}`;
  }
  const statement = database.prepare(`${LIST} ${index} ${BEFORE}${filter} ${NEWEST_FIRST}`).bind(...values);
  const { results } = await within(ports, ms, statement.run());
  return results.map((row) => ({
    id: String(row.id),
    name: row.name === null ? null : String(row.name),
    status: row.status as RunStatus,
    createdAt: Number(row.created_at),
    endedAt: row.ended_at === null ? null : Number(row.ended_at),
    nodes: Number(row.nodes),
  }));
}
