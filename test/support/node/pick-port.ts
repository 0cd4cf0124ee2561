/**
 * A free port for a service that comes back to it after a kill. No system gives it away by itself (Linux those from 32,768
 * on), so that what another test starts meanwhile cannot get it; and each of vitest's workers looks in its own range.
 */
import { checkPort } from "../../../scripts/commands/serve/check-port.ts";

const FIRST = 10_000;
const RANGE = 5_000;
const RANGES = 4;

export async function pickPort(): Promise<number> {
  const from = FIRST + (Number(process.env.VITEST_POOL_ID ?? 0) % RANGES) * RANGE;
  for (;;) {
    const port = from + Math.floor(Math.random() * RANGE);
    const isFree = await checkPort(port).then(
      () => true,
      () => false,
    );
    if (isFree) return port;
  }
}
