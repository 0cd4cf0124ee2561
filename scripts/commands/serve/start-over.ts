/** A start whose runtime is killed is made again, as often and as seldom as a return (come-back.ts). */
import { setTimeout as pause } from "node:timers/promises";
import { CannotStart } from "./cannot-start.ts";
import { MOST_TRIES, pauseAfter, REMEDY } from "./come-back.ts";
import { RuntimeKilled } from "./watch-deaths.ts";

/**
 * What `start` gives. Its other failures are final.
 * @param say a sentence for whoever runs the service
 * @throws CannotStart where it was killed each time
 */
export async function startOver<T>(
  start: () => Promise<T>,
  say: (sentence: string) => void,
  wait: (ms: number) => Promise<unknown> = pause,
): Promise<T> {
  for (let tries = 1; ; tries++)
    try {
      return await start();
    } catch (error) {
      if (!(error instanceof RuntimeKilled)) throw error;
      if (tries === MOST_TRIES)
        throw new CannotStart(`The runtime could not be started in ${tries} tries. ${error.message} ${REMEDY}`);
      say(`The runtime could not be started. ${error.message} Another one is being started.`);
      await wait(pauseAfter(tries));
    }
}
