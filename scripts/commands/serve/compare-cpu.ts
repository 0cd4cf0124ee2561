/** Whether the two places of wrangler.toml that say what an invocation may compute agree: the Worker reads only one. */
import { cpuMsOf } from "../../../core/schema/env.ts";

/**
 * What is wrong, with the remedy; null: nothing.
 * @param limit `[limits] cpu_ms`; undefined: none is set, as on the Free plan
 */
export function compareCpu(vars: object, limit: number | undefined): string | null {
  const told = cpuMsOf(vars);
  if (limit === undefined || limit === told) return null;
  return `is ${told} under [vars], while cpu_ms under [limits] is ${limit}. Set both to the same in wrangler.toml: leaseMs is judged by CPU_MS.`;
}
