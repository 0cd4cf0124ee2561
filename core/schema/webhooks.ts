/** Webhooks as they are sent over HTTP: who is to be told of every end of a queue. */
import { z } from "zod";
import { EventsSchema, ReceiverUrlSchema } from "./callback.ts";
import { QueueNameSchema } from "./submission.ts";

const fields = {
  url: ReceiverUrlSchema,
  events: EventsSchema.exactOptional(),
  description: z.string().max(512).exactOptional(),
  disabled: z.boolean().exactOptional(),
};

export const WebhookCreateSchema = z.strictObject({ queue: QueueNameSchema, ...fields });

/** Any part of it; null takes events (so all are told) or the description away. */
export const WebhookPatchSchema = z
  .strictObject({
    ...fields,
    url: ReceiverUrlSchema.exactOptional(),
    events: EventsSchema.nullable().exactOptional(),
    description: z.string().max(512).nullable().exactOptional(),
  })
  .refine((patch) => Object.keys(patch).length > 0, { error: "names nothing to change" });

/** Deliveries of a queue's webhooks: how they stand. */
export const DeliveryStatusSchema = z.enum(["pending", "delivered", "failed"]);
