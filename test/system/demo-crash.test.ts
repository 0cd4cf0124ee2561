/** `npm run demo:crash`, which the README sends a newcomer to, with fewer tasks. */
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { NODE } from "../support/node/refused-start.ts";

const ROOT = resolve(import.meta.dirname, "../..");

it("D3 151 demo:crash kills the service with tasks running and waiting, and shows that each succeeded once", () => {
  const demo = spawnSync(NODE, [join(ROOT, "scripts/demo-crash.cjs"), "40"], { encoding: "utf8", timeout: 90_000 });
  expect({ status: demo.status, err: demo.stderr }).toEqual({ status: 0, err: "" });
  const steps = [
    /The service is ready on http:\/\/.* \(process \d+, runtime \d+\)/,
    /20 tasks run and wait for our answer, 40 wait behind them/,
    /SIGKILL to every process of the service/,
    /Started again on the same state folder\. From here on, no request is made/,
    /All 60 have run/,
    /60 SUCCEEDED, each with 1 to 1 success recorded; 20 show the attempt that the crash cut off/,
    /20 were fetched twice/,
  ];
  const lines = demo.stdout.split("\n");
  const found = steps.map((step) => lines.findIndex((line) => step.test(line)));
  expect(found).not.toContain(-1);
  expect(found).toEqual([...found].sort((a, b) => a - b));
});
