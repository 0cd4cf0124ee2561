/**
 * Probes. Live: the process answers. Ready and started: nothing that the deployment must bring is missing, and the
 * Directory answers. D1 is shown and does not count: without it tasks are taken and run all the same (design, 6).
 */
import { tooShortLease } from "../../core/check-settings.ts";
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
  const [directory, history, leases] = await Promise.all([
    probeDirectory(door, c),
    probeHistory(door),
    leaseWarnings(door, c),
  ]);
  refuseUnready(door, directory);
  return json({
    status: history ? "ready" : "degraded",
    components: { directory: "ok", history: history ? "ok" : "unreachable" },
    warnings: [...warnings(door), ...leases],
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

/** A lease that was kept before cpu_ms was raised holds until it is changed. Directories of an older version say nothing. */
async function leaseWarnings({ ports, env }: Door, c: Ctx): Promise<string[]> {
  const leaseMs = tooShortLease(env.cpuMs);
  const answer = await callWithin(ports, PROBE_MS, () =>
    directoryOf(ports, c.env.tenant).shortLeases({ v: 1, leaseMs }),
  );
  if (!answer.ok || answer.queues.length === 0) return [];
  const queues = answer.queues.join(", ");
  return [`leaseMs of ${queues} is not above ${leaseMs}: cpu_ms (${env.cpuMs}) and 10 s. PATCH /queues/{queue}.`];
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
