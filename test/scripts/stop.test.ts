/** What a stop says of itself: no more than is known. */
import { expect, it } from "vitest";
import { stopGently } from "../../scripts/commands/serve/stop.ts";

it("197 a drain that the runtime did not take is not told as tasks still running", async () => {
  const said: string[] = [];
  let isDisposed = false;
  const gone = {
    dispatchFetch: () => Promise.reject(new TypeError("fetch failed")),
    dispose: async () => {
      isDisposed = true;
    },
  };
  await stopGently(gone, 10_000, "SIGTERM", (sentence) => said.push(sentence));
  expect(isDisposed).toBe(true);
  expect(said).toEqual([
    "SIGTERM: running tasks have 10 s to end.",
    expect.stringMatching(
      /^Stopped after \d+ ms without a drain, the runtime did not answer to it: a task that was running, if any, counts as crashed\.$/,
    ),
  ]);
});
