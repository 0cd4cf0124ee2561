/**
 * Probes. Live: the process answers. Ready and started: nothing that the deployment must bring is missing, and the
 * Directory answers. D1 is shown and does not count: without it tasks are taken and run all the same (design, 6).
 */
import { type ErrorCode, Problem } from "../../core/errors.ts";
import { DEFAULT_QUEUE } from "../../core/ids.ts";
import { callWithin, directoryOf } from "../../durable-objects/stubs.ts";
import type { Ctx, Door } from "../door.ts";
import { json } from "../middleware/answer.ts";

const PROBE_MS = 1_000;

export function live(): Response {
  return json({ status: "alive" });
}

export async function ready(door: Door, c: Ctx): Promise<Response> {
  const [directory, history] = await Promise.all([probeDirectory(door, c), probeHistory(door)]);
  refuseUnready(door, directory);
  return json({
    status: history ? "ready" : "degraded",
    components: { directory: "ok", history: history ? "ok" : "unreachable" },
    warnings: warnings(door),
  });
}

export async function started(door: Door, c: Ctx): Promise<Response> {
  refuseUnready(door, await probeDirectory(door, c));
  return json({ status: "started" });
}

function refuseUnready(door: Door, directory: ErrorCode | null): void {
  const fatal = door.env.faults.filter((fault) => fault.fatal);
  if (fatal.length > 0)
    throw new Problem(
      "misconfigured",
      fatal.map(({ name, detail, remedy }) => `${name} ${detail}. ${remedy}`).join(" "),
    );
  if (directory !== null) throw new Problem(directory, "The directory does not answer.");
}

function warnings(door: Door): string[] {
  return door.env.faults
    .filter((fault) => !fault.fatal)
    .map(({ name, detail, remedy }) => `${name}: ${detail}. ${remedy}`);
}

/** null: it answers. A question that writes nothing. */
async function probeDirectory({ ports }: Door, c: Ctx): Promise<"unavailable" | null> {
  const question = { v: 1 as const, queue: DEFAULT_QUEUE, type: null, create: false };
  const answer = await callWithin(ports, PROBE_MS, () => directoryOf(ports, c.env.tenant).lookup(question));
  return answer.ok ? null : "unavailable";
}

async function probeHistory({ ports }: Door): Promise<boolean> {
  const database = ports.history(0);
  if (database === null) return false;
  const answer = await callWithin(ports, PROBE_MS, async () => {
    await database.prepare("SELECT 1").run();
    return { ok: true } as const;
  });
  return answer.ok;
}
