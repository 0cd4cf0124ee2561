/** The list of workflows' runs, as D1 has it: the newest first, a page at a time. */
import type { HistoryDatabase, Ports } from "../core/ports.ts";
import type { RunStatus } from "../core/schema/workflow-rpc.ts";
import { within } from "./within.ts";

const LIST = `SELECT id, name, status, created_at, ended_at, nodes FROM workflow
  WHERE tenant = ?1 AND (created_at, id) < (?2, ?3) AND (?4 IS NULL OR status = ?4) AND (?5 IS NULL OR name = ?5)
  ORDER BY created_at DESC, id DESC LIMIT ?6`;

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
  const statement = database.prepare(LIST).bind(tenant, createdAt, id, status, name, limit);
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
