/** The queue that a path names. */
import { noSuchQueue, Problem } from "../../core/errors.ts";
import { QUEUE_NAME, type QueueName } from "../../core/ids.ts";
import type { Ctx } from "../door.ts";

/** @throws Problem queue-unknown where no queue can have the name */
export function nameOf(c: Ctx): QueueName {
  const name = c.req.param("queue") ?? "";
  if (!QUEUE_NAME.test(name)) throw unknownQueue(name);
  return name as QueueName;
}

export function unknownQueue(name: string): Problem {
  return new Problem("queue-unknown", noSuchQueue(name));
}
