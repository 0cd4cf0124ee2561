/**
 * CPU time of the service: on a machine that others use too it tells a slower program from a busier machine, where
 * requests a second do not. Linux only; elsewhere null.
 */
import { readdirSync, readFileSync } from "node:fs";

const TICKS_A_SECOND = 100;

/** CPU time (µs) that a process and its children, as far as they live, have used until now; null where unknown. */
export function cpuTime(pid: number): number | null {
  try {
    let ticks = 0;
    for (const name of readdirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      const stat = readStat(name);
      if (stat && (Number(name) === pid || stat.parent === pid)) ticks += stat.ticks;
    }
    return ticks > 0 ? (ticks / TICKS_A_SECOND) * 1e6 : null;
  } catch {
    return null;
  }
}

function readStat(pid: string): { parent: number; ticks: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold anything, blanks too.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return null;
  }
}
