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

/** @param pointer where the caller named it, but for the path: `/queue` in a body, `?queue` in the query */
export function unknownQueue(name: string, pointer?: "/queue" | "?queue"): Problem {
  const errors = pointer === undefined ? [] : [{ pointer, detail: "is not a known queue" }];
  return new Problem("queue-unknown", noSuchQueue(name), { errors });
}
