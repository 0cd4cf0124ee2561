/** What a client of `GET /events` says to its WebSocket, what it hears, and how much of both there may be. */
import { z } from "zod";
import { KIB } from "../bytes.ts";
import type { ErrorCode } from "../errors.ts";
import { QUEUE_NAME, type QueueName } from "../ids.ts";
import type { Task } from "../task.ts";

/** Sockets of a tenant; tasks and queues of a socket; tasks of all sockets together; bytes of a message. */
export const MAX_SOCKETS = 1_000;
export const MAX_SOCKET_TASKS = 1_000;
export const MAX_SOCKET_QUEUES = 16;
export const MAX_FEED_TASKS = 20_000;
export const MAX_MESSAGE_BYTES = 128 * KIB;

const Watched = z
  .strictObject({
    ids: z.array(z.string().max(128)).min(1).max(MAX_SOCKET_TASKS).optional(),
    queue: z.string().regex(QUEUE_NAME, "must be the name of a queue").optional(),
  })
  .refine(({ ids, queue }) => ids !== undefined || queue !== undefined, "must name ids, a queue, or both");

export const FeedMessageSchema = z
  .strictObject({ subscribe: Watched.optional(), unsubscribe: Watched.optional() })
  .refine(
    ({ subscribe, unsubscribe }) => (subscribe === undefined) !== (unsubscribe === undefined),
    "must have either subscribe or unsubscribe",
  );
export type FeedMessage = z.infer<typeof FeedMessageSchema>;
export type FeedAction = "subscribe" | "unsubscribe";

/** A message to the client. */
export type FeedEvent =
  | { readonly event: "task"; readonly task: Task }
  | {
      readonly event: "queue";
      readonly queue: QueueName;
      readonly counts: object;
      readonly shards: { readonly asked: number; readonly answered: number };
    }
  | {
      readonly event: "error";
      readonly code: ErrorCode;
      readonly detail: string;
      /** JSON Pointer into the client's message, where it is about a part of that. */
      readonly pointer?: string;
      /** The task that it is about. */
      readonly id?: string;
    };
