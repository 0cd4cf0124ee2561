/** Asks the readiness route until it says yes: the Worker has started, its bindings are whole, its Directory answers. */
import { setTimeout as pause } from "node:timers/promises";
import { CannotStart } from "./cannot-start.ts";

const PATIENCE_MS = 30_000;
/** Between two questions: each time a tenth longer, so that one which never becomes ready is not asked 1,500 times. */
const PAUSE_MS = 20;
const MAX_PAUSE_MS = 500;

/** @throws CannotStart with the last answer where readiness does not come. */
export async function waitUntilReady(url: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  let last = "it did not answer";
  let pauseMs = PAUSE_MS;
  while (Date.now() < deadline) {
    try {
      const answer = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(5_000) });
      const body = await answer.text();
      if (answer.status === 200) return;
      last = detailOf(body);
      // Waiting mends no binding.
      if (answer.status === 503 && body.includes('"misconfigured"')) break;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    await pause(pauseMs);
    pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 1.1);
  }
  throw new CannotStart(`The service does not become ready: ${last}`);
}

/** What a problem says in words; any other answer as it is. */
function detailOf(body: string): string {
  try {
    const detail: unknown = Reflect.get(Object(JSON.parse(body)), "detail");
    return typeof detail === "string" ? detail : body;
  } catch {
    return body;
  }
}
